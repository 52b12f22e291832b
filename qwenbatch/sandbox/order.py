"""A request's body, read as strictly as the contract allows."""

from __future__ import annotations

import binascii
import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, assert_never

from qwenbatch.sandbox.refusal import invalid_parameter, invalid_request, refused_by_model

if TYPE_CHECKING:
    from collections.abc import Mapping
    from collections.abc import Set as AbstractSet

MODEL = "qwen-image-edit"
MAX_DATA_URI_BYTES = 10_485_760
MAX_INSTRUCTION_CHARACTERS = 800
MAX_NEGATIVE_PROMPT_CHARACTERS = 500
MAX_URL_CHARACTERS = 8_192

FORMAT_BY_MIME: Mapping[str, str] = {
    "image/jpeg": "JPEG",
    "image/png": "PNG",
    "image/bmp": "BMP",
    "image/tiff": "TIFF",
    "image/webp": "WEBP",
    "image/gif": "GIF",
}
"""The six formats that the service takes, as Pillow calls them."""


@dataclass(frozen=True, slots=True)
class InlineImage:
    """A source that came with the request: its bytes, and the format that its MIME type says."""

    data: bytes
    format: str


@dataclass(frozen=True, slots=True)
class LinkedImage:
    """A source that the service is to fetch."""

    url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What a request asks for, texts as they were sent.

    `most_characters` are those of the instruction and of the negative prompt behind which they are
    cut silently, None: they are not; `at_url`: the result is asked for at a URL.
    """

    image: InlineImage | LinkedImage
    instruction: str
    negative_prompt: str
    watermark: bool
    most_characters: tuple[int, int] | None = (
        MAX_INSTRUCTION_CHARACTERS,
        MAX_NEGATIVE_PROMPT_CHARACTERS,
    )
    at_url: bool = True

    @property
    def image_name(self) -> str:
        """The URL, or the SHA-256 of the bytes in hexadecimal."""
        match self.image:
            case LinkedImage(url=url):
                return url
            case InlineImage(data=data):
                return hashlib.sha256(data).hexdigest()

    @property
    def applied_instruction(self) -> str:
        """What is left of the instruction: the service cuts it silently."""
        cut = self.instruction_characters_cut
        return self.instruction[: len(self.instruction) - cut]

    @property
    def instruction_characters_cut(self) -> int:
        """How many characters of the instruction are ignored."""
        most = self.most_characters
        return 0 if most is None else max(0, len(self.instruction) - most[0])

    @property
    def negative_prompt_characters_cut(self) -> int:
        """How many characters of the negative prompt are ignored."""
        most = self.most_characters
        return 0 if most is None else max(0, len(self.negative_prompt) - most[1])


def fingerprint(order: Order) -> str:
    """SHA-256 over what was asked, each field behind its length in eight bytes, big-endian.

    The fields are the model, the image's bytes (the text of a URL), the instruction, the
    negative prompt and `true` or `false` for the watermark.
    """
    match order.image:
        case LinkedImage(url=url):
            image = url.encode()
        case InlineImage(data=data):
            image = data
        case _:
            assert_never(order.image)
    watermark = b"true" if order.watermark else b"false"
    digest = hashlib.sha256()
    for field in (
        MODEL.encode(),
        image,
        order.instruction.encode(errors="surrogatepass"),
        order.negative_prompt.encode(errors="surrogatepass"),
        watermark,
    ):
        digest.update(len(field).to_bytes(8, "big"))
        digest.update(field)
    return digest.hexdigest()


def read_order(body: bytes) -> Order:
    """What this body asks for; RefusalError if it is not exactly as documented."""
    try:
        asked = json.loads(body.decode())
    except (ValueError, RecursionError):
        raise invalid_request("The body is not JSON in UTF-8.") from None
    top = _object(asked, "The body", required={"model", "input"}, optional={"parameters"})
    if top["model"] != MODEL:
        raise refused_by_model(
            "ModelNotFound",
            "Model not exist.",
            status=404,
            outcome="refused_misaddressed",
        )
    image, instruction = _content(top["input"])
    negative_prompt, watermark = _parameters(top.get("parameters", {}))
    return Order(
        image=_image(image),
        instruction=instruction,
        negative_prompt=negative_prompt,
        watermark=watermark,
    )


def _object(
    value: object,
    what: str,
    *,
    required: AbstractSet[str],
    optional: AbstractSet[str] = frozenset(),
) -> dict[str, object]:
    if not isinstance(value, dict):
        raise invalid_parameter(f"{what} must be an object.")
    missing, unknown = required - value.keys(), value.keys() - required - optional
    if missing or unknown:
        told = ", ".join(sorted(missing or unknown))
        raise invalid_parameter(f"{what}: {'missing' if missing else 'unknown'} field: {told}.")
    return value


def _content(value: object) -> tuple[str, str]:
    messages = _object(value, "input", required={"messages"})["messages"]
    if not isinstance(messages, list) or len(messages) != 1:
        raise invalid_parameter("input.messages must hold exactly one message.")
    message = _object(messages[0], "input.messages[0]", required={"role", "content"})
    if message["role"] != "user":
        raise invalid_parameter("input.messages[0].role must be user.")
    content = message["content"]
    if not isinstance(content, list) or len(content) != 2:  # noqa: PLR2004 - an image, a text
        raise invalid_parameter("content must be exactly one image, then one text.")
    image = _object(content[0], "content[0]", required={"image"})["image"]
    text = _object(content[1], "content[1]", required={"text"})["text"]
    if not isinstance(image, str) or not isinstance(text, str) or not text.strip():
        raise invalid_parameter("image and text must be strings that are not empty.")
    return image, text


def _parameters(value: object) -> tuple[str, bool]:
    given = _object(value, "parameters", required=set(), optional={"negative_prompt", "watermark"})
    negative_prompt, watermark = given.get("negative_prompt", ""), given.get("watermark", False)
    if not isinstance(negative_prompt, str):
        raise invalid_parameter("parameters.negative_prompt must be a string.")
    if not isinstance(watermark, bool):
        raise invalid_parameter("parameters.watermark must be true or false.")
    return negative_prompt, watermark


def _image(text: str) -> InlineImage | LinkedImage:
    if text.startswith(("http://", "https://")):
        if len(text) > MAX_URL_CHARACTERS or not text.isprintable() or " " in text:
            raise _bad_url("The request URL is invalid.")
        return LinkedImage(text)
    if not text.startswith("data:"):
        raise _bad_url("image must be an http(s) URL or data:{MIME_type};base64,{base64_data}.")
    if len(text) > MAX_DATA_URI_BYTES:
        raise refused_by_model("BadRequest.TooLarge", "Payload Too Large")
    head, comma, payload = text.partition(",")
    mime = head.removeprefix("data:").removesuffix(";base64")
    if not comma or head != f"data:{mime};base64" or mime not in FORMAT_BY_MIME:
        known = ", ".join(FORMAT_BY_MIME)
        raise invalid_parameter(f"image must be data:{{MIME_type}};base64,… with one of {known}.")
    try:
        data = binascii.a2b_base64(payload.encode("ascii"), strict_mode=True)
    except ValueError:
        raise invalid_parameter("The image's data is not base64.") from None
    return InlineImage(data, FORMAT_BY_MIME[mime])


def _bad_url(message: str) -> Exception:
    return refused_by_model("InvalidURL", message, outcome="refused_source_unreachable")

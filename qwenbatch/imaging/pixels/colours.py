"""Any mode that Pillow decodes, made RGB of 8 bits, or RGBA where it has transparency."""

from __future__ import annotations

import io
from typing import Final

from PIL import Image, ImageCms

WHITE: Final = (255, 255, 255)
_MAX_PROFILE_BYTES: Final = 512 * 1024
_SIXTEEN_BITS: Final = ("I;16", "I;16B", "I;16L", "I;16N")
_TOP, _TOP_OF_16 = 255, 65535


def plain(image: Image.Image) -> Image.Image:
    """The image as RGB, or as RGBA if it has transparency.

    Grey of 16 bits is divided by 257; whole and floating numbers of 32 bits are taken as 8 or
    16 bits or as 0 to 1 where their values fit, else stretched over what they span. CMYK goes
    through its own colour profile if it has a sound one.
    """
    if image.mode in _SIXTEEN_BITS or image.mode in ("I", "F"):
        return _narrowed(image).convert("RGB")
    if image.mode == "CMYK":
        return _through_profile(image) or image.convert("RGB")
    if image.mode in ("RGBA", "LA", "PA", "La", "RGBa") or image.has_transparency_data:
        return image.convert("RGBA") if image.mode != "La" else image.convert("LA").convert("RGBA")
    return image if image.mode == "RGB" else image.convert("RGB")


def flattened(image: Image.Image) -> Image.Image:
    """A plain image without its transparency, on white."""
    if image.mode != "RGBA":
        return image
    ground = Image.new("RGB", image.size, WHITE)
    ground.paste(image, mask=image.getchannel("A"))
    return ground


def profile_to_keep(image: Image.Image) -> bytes | None:
    """The colour profile that still holds once the image is plain: an RGB image's own."""
    profile = image.info.get("icc_profile")
    if image.mode not in ("RGB", "RGBA", "P") or not isinstance(profile, bytes):
        return None
    is_rgb = profile[16:20] == b"RGB "
    return profile if is_rgb and len(profile) <= _MAX_PROFILE_BYTES else None


def _narrowed(image: Image.Image) -> Image.Image:
    if image.mode in _SIXTEEN_BITS:
        image = image.convert("I")
        low, high = 0.0, float(_TOP_OF_16)
    else:
        low, high = _span(image)
    numbers = image.convert("F")
    # Rounded, for the conversion to L cuts off what is behind the point.
    factor = _TOP / (high - low)
    return numbers.point(lambda value: value * factor + (0.5 - low * factor)).convert("L")


def _span(image: Image.Image) -> tuple[float, float]:
    extrema = image.getextrema()
    low, high = (float(value) for value in extrema)  # type: ignore[arg-type]  # of one band
    if not low <= high or high - low == float("inf"):
        raise ValueError("its numbers are none")
    if low >= 0:
        tops = (1, _TOP, _TOP_OF_16) if image.mode == "F" else (_TOP, _TOP_OF_16)
        for top in tops:
            if high <= top:
                return 0.0, float(top)
    return low, high


def _through_profile(image: Image.Image) -> Image.Image | None:
    profile = image.info.get("icc_profile")
    if not isinstance(profile, bytes) or len(profile) > 16 * _MAX_PROFILE_BYTES:
        return None
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        return ImageCms.profileToProfile(
            image,
            source,
            ImageCms.createProfile("sRGB"),
            outputMode="RGB",
        )
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
        # A broken profile says nothing about the pixels.
        return None

"""What a file holds, whether it is whole, and how its pixels are made fit for the gateway."""

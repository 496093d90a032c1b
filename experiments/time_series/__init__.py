"""Series of values at irregular times: classes, and values between them."""

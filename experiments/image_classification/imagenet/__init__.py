"""Image classification on ImageNet, from both papers."""

"""Fashion-MNIST: 70,000 real images of clothes, from an ordinary package."""

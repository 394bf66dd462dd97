"""What a trained model does for people who do not train: predictions, and pictures of them."""

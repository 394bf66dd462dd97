"""What all tests share."""
import humanbench  # noqa: F401  (its compatibility layer comes before any OpenMMLab import)

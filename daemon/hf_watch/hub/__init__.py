"""The Hub, asked through huggingface_hub: every call has an end, is made once, and fails as one of our errors."""

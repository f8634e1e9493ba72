"""What ``train --pilot`` prints."""

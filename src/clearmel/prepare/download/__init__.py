"""Downloads of clip lists such as AVSpeech and AudioSet."""

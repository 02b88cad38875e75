"""Looking code up by what it says and where it stands: exact text, patterns, names, outlines, places alike."""

"""The extension surface: hook specifications, registered specs, and the plugin manager."""

"""The lab: plugins that cannot be imported, deep calls, failures inside failures."""

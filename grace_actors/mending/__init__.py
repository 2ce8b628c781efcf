"""How coding_agent repairs what self_healing lives on, and self_healing itself."""

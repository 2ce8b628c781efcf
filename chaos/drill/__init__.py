"""The drill core: what is asked, injected, watched, undone and judged, as data; `grace_actors` performs it."""

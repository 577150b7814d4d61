//! A registry, keys and faults in one box; speaks bytes, never house types.

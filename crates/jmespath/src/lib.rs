//! The JMESPath dialect of policies.

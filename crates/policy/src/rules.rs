//! What rules do: one file per action.
pub(crate) mod image_check;
pub(crate) mod json_patch;
pub(crate) mod verify_images;

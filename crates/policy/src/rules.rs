//! What rules do: one file per action.
pub(crate) mod generate;
pub(crate) mod image_check;
pub(crate) mod mutate;
pub(crate) mod validate;
pub(crate) mod verify_images;

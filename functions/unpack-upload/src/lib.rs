//! The step unpack-upload.

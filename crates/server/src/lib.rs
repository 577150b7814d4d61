//! HTTPS in, AdmissionReview out.

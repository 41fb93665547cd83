//! Status codes (RFC 9110 §15).

/// The reason phrase that goes with `status`, empty for a status that has none
/// registered.
#[must_use]
pub fn reason(status: u16) -> &'static str {
    match status {
        100 => "Continue",
        101 => "Switching Protocols",
        102 => "Processing",
        103 => "Early Hints",
        200 => "OK",
        201 => "Created",
        202 => "Accepted",
        203 => "Non-Authoritative Information",
        204 => "No Content",
        205 => "Reset Content",
        206 => "Partial Content",
        207 => "Multi-Status",
        208 => "Already Reported",
        226 => "IM Used",
        300 => "Multiple Choices",
        301 => "Moved Permanently",
        302 => "Found",
        303 => "See Other",
        304 => "Not Modified",
        305 => "Use Proxy",
        307 => "Temporary Redirect",
        308 => "Permanent Redirect",
        400 => "Bad Request",
        401 => "Unauthorized",
        402 => "Payment Required",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        406 => "Not Acceptable",
        407 => "Proxy Authentication Required",
        408 => "Request Timeout",
        409 => "Conflict",
        410 => "Gone",
        411 => "Length Required",
        412 => "Precondition Failed",
        413 => "Content Too Large",
        414 => "URI Too Long",
        415 => "Unsupported Media Type",
        416 => "Range Not Satisfiable",
        417 => "Expectation Failed",
        421 => "Misdirected Request",
        422 => "Unprocessable Content",
        423 => "Locked",
        424 => "Failed Dependency",
        425 => "Too Early",
        426 => "Upgrade Required",
        428 => "Precondition Required",
        429 => "Too Many Requests",
        431 => "Request Header Fields Too Large",
        451 => "Unavailable For Legal Reasons",
        500 => "Internal Server Error",
        501 => "Not Implemented",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        505 => "HTTP Version Not Supported",
        506 => "Variant Also Negotiates",
        507 => "Insufficient Storage",
        508 => "Loop Detected",
        511 => "Network Authentication Required",
        _ => "",
    }
}

/// Whether a response with this status may have a body (RFC 9110 §6.4.1). An
/// answer to HEAD never has one, whatever its status.
#[must_use]
pub fn has_body(status: u16) -> bool {
    !matches!(status, 100..=199 | 204 | 304)
}

/// Whether that body may be other than empty: not with 205 (RFC 9110 §15.3.6).
#[must_use]
pub fn has_content(status: u16) -> bool {
    has_body(status) && status != 205
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::semantics::RequestError;

    #[test]
    fn every_status_that_the_decoder_answers_with_has_a_reason() {
        for error in [
            RequestError::BareLf,
            RequestError::BodyTooLarge,
            RequestError::RequestLineTooLong,
            RequestError::ExpectationUnknown,
            RequestError::HeadTooLarge,
            RequestError::MethodTooLong,
            RequestError::VersionUnsupported,
        ] {
            assert_ne!(reason(error.status()), "");
            assert!(error.to_string().ends_with(")."), "{error}");
        }
    }

    #[test]
    fn statuses_without_a_body() {
        for status in [100, 101, 103, 199, 204, 304] {
            assert!(!has_body(status), "{status}");
        }
        for status in [200, 201, 203, 205, 206, 301, 303, 305, 400, 404, 500] {
            assert!(has_body(status), "{status}");
        }
    }
}

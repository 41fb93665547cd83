use super::{ConnectionError, ErrorCode};

/// What a side tells about itself (RFC 9113 §6.5.2): the parameter's number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Setting(pub u16);

impl Setting {
    /// Bytes of the sender's table for decoding field blocks. Initially 4,096.
    pub const HEADER_TABLE_SIZE: Self = Self(0x1);
    /// Whether the server may push, 0 or 1. Initially 1.
    pub const ENABLE_PUSH: Self = Self(0x2);
    /// Streams that the peer may have open. Initially without limit.
    pub const MAX_CONCURRENT_STREAMS: Self = Self(0x3);
    /// The window of new streams for what the peer sends. Initially 65,535 bytes.
    pub const INITIAL_WINDOW_SIZE: Self = Self(0x4);
    /// The largest payload of a frame that the sender takes. Initially 16,384 bytes.
    pub const MAX_FRAME_SIZE: Self = Self(0x5);
    /// Bytes of a head that the sender takes, 32 more for each field. Advice only.
    pub const MAX_HEADER_LIST_SIZE: Self = Self(0x6);
    /// Whether the server takes extended CONNECT, 0 or 1 (RFC 8441 §3). Initially 0.
    pub const ENABLE_CONNECT_PROTOCOL: Self = Self(0x8);
    /// Whether the priorities of RFC 7540 are not used, 0 or 1 (RFC 9218 §2.1). Initially 0.
    pub const NO_RFC7540_PRIORITIES: Self = Self(0x9);
}

/// The most settings that a frame may have. More than there are kinds makes no sense.
const MOST: usize = 32;

/// The settings of one frame, as checked. Of several values of a setting the last counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SettingsFrame {
    /// `SETTINGS_HEADER_TABLE_SIZE`.
    pub header_table_size: Option<u32>,
    /// The smallest of several values of it: the encoder owes a size update to this one too
    /// (RFC 7541 §4.2).
    pub smallest_header_table: Option<u32>,
    /// `SETTINGS_ENABLE_PUSH`.
    pub enable_push: Option<bool>,
    /// `SETTINGS_MAX_CONCURRENT_STREAMS`.
    pub max_concurrent_streams: Option<u32>,
    /// `SETTINGS_INITIAL_WINDOW_SIZE`, at most 2^31 - 1.
    pub initial_window_size: Option<u32>,
    /// `SETTINGS_MAX_FRAME_SIZE`, from 16,384 to 16,777,215.
    pub max_frame_size: Option<u32>,
    /// `SETTINGS_MAX_HEADER_LIST_SIZE`.
    pub max_header_list_size: Option<u32>,
    /// `SETTINGS_ENABLE_CONNECT_PROTOCOL`.
    pub enable_connect_protocol: Option<bool>,
    /// `SETTINGS_NO_RFC7540_PRIORITIES`.
    pub no_rfc7540_priorities: Option<bool>,
}

impl SettingsFrame {
    /// Reads the payload of a SETTINGS frame. Unknown settings are ignored.
    ///
    /// # Errors
    ///
    /// A length that is no multiple of 6, more than 32 settings, a value that is out of
    /// range.
    pub fn parse(payload: &[u8]) -> Result<Self, ConnectionError> {
        let (settings, []) = payload.as_chunks::<6>() else {
            return Err(ConnectionError::frame_size("SETTINGS has a part of a setting"));
        };
        if settings.len() > MOST {
            return Err(ConnectionError::calm("SETTINGS has more than 32 settings"));
        }
        let mut parsed = Self::default();
        for &[k0, k1, v0, v1, v2, v3] in settings {
            let setting = Setting(u16::from_be_bytes([k0, k1]));
            parsed.set(setting, u32::from_be_bytes([v0, v1, v2, v3]))?;
        }
        Ok(parsed)
    }

    fn set(&mut self, setting: Setting, value: u32) -> Result<(), ConnectionError> {
        match setting {
            Setting::HEADER_TABLE_SIZE => {
                let smallest = self.smallest_header_table.map_or(value, |least| least.min(value));
                self.smallest_header_table = Some(smallest);
                self.header_table_size = Some(value);
            }
            Setting::ENABLE_PUSH => self.enable_push = Some(bit(value)?),
            Setting::MAX_CONCURRENT_STREAMS => self.max_concurrent_streams = Some(value),
            Setting::INITIAL_WINDOW_SIZE => {
                if value > i32::MAX as u32 {
                    return Err(ConnectionError {
                        code: ErrorCode::FLOW_CONTROL_ERROR,
                        why: "SETTINGS_INITIAL_WINDOW_SIZE is more than 2^31 - 1",
                    });
                }
                self.initial_window_size = Some(value);
            }
            Setting::MAX_FRAME_SIZE => {
                if !(1 << 14..1 << 24).contains(&value) {
                    return Err(ConnectionError::protocol(
                        "SETTINGS_MAX_FRAME_SIZE is not from 16,384 to 16,777,215",
                    ));
                }
                self.max_frame_size = Some(value);
            }
            Setting::MAX_HEADER_LIST_SIZE => self.max_header_list_size = Some(value),
            Setting::ENABLE_CONNECT_PROTOCOL => self.enable_connect_protocol = Some(bit(value)?),
            Setting::NO_RFC7540_PRIORITIES => self.no_rfc7540_priorities = Some(bit(value)?),
            _ => {}
        }
        Ok(())
    }
}

fn bit(value: u32) -> Result<bool, ConnectionError> {
    match value {
        0 => Ok(false),
        1 => Ok(true),
        _ => Err(ConnectionError::protocol("a setting that is 0 or 1 has another value")),
    }
}

#[cfg(test)]
mod tests {
    use super::super::frame;
    use super::*;

    fn parse(settings: &[(Setting, u32)]) -> Result<SettingsFrame, ConnectionError> {
        let mut out = Vec::new();
        frame::settings(&mut out, settings);
        SettingsFrame::parse(&out[frame::HEADER..])
    }

    #[test]
    fn each_setting_is_read() {
        let parsed = parse(&[
            (Setting::HEADER_TABLE_SIZE, 0),
            (Setting::HEADER_TABLE_SIZE, 65_536),
            (Setting::ENABLE_PUSH, 0),
            (Setting::MAX_CONCURRENT_STREAMS, u32::MAX),
            (Setting::INITIAL_WINDOW_SIZE, 0x7fff_ffff),
            (Setting::MAX_FRAME_SIZE, 16_777_215),
            (Setting::MAX_HEADER_LIST_SIZE, 1),
            (Setting(7), 9),
            (Setting::ENABLE_CONNECT_PROTOCOL, 1),
            (Setting::NO_RFC7540_PRIORITIES, 1),
            (Setting(0xffff), u32::MAX),
            (Setting::INITIAL_WINDOW_SIZE, 5),
        ]);
        let expect = SettingsFrame {
            header_table_size: Some(65_536),
            smallest_header_table: Some(0),
            enable_push: Some(false),
            max_concurrent_streams: Some(u32::MAX),
            initial_window_size: Some(5),
            max_frame_size: Some(16_777_215),
            max_header_list_size: Some(1),
            enable_connect_protocol: Some(true),
            no_rfc7540_priorities: Some(true),
        };
        assert_eq!(parsed, Ok(expect));
        assert_eq!(parse(&[]), Ok(SettingsFrame::default()));
    }

    #[test]
    fn values_out_of_range_end_the_connection() {
        let rows = [
            (Setting::ENABLE_PUSH, 2, ErrorCode::PROTOCOL_ERROR),
            (Setting::INITIAL_WINDOW_SIZE, 1 << 31, ErrorCode::FLOW_CONTROL_ERROR),
            (Setting::INITIAL_WINDOW_SIZE, u32::MAX, ErrorCode::FLOW_CONTROL_ERROR),
            (Setting::MAX_FRAME_SIZE, 16_383, ErrorCode::PROTOCOL_ERROR),
            (Setting::MAX_FRAME_SIZE, 16_777_216, ErrorCode::PROTOCOL_ERROR),
            (Setting::ENABLE_CONNECT_PROTOCOL, 2, ErrorCode::PROTOCOL_ERROR),
            (Setting::NO_RFC7540_PRIORITIES, u32::MAX, ErrorCode::PROTOCOL_ERROR),
        ];
        for (setting, value, code) in rows {
            let outcome = parse(&[(Setting::MAX_CONCURRENT_STREAMS, 1), (setting, value)]);
            assert_eq!(outcome.map_err(|error| error.code), Err(code), "{setting:?} {value}");
        }
    }

    #[test]
    fn a_frame_has_32_whole_settings_at_most() {
        assert!(parse(&[(Setting(99), 1); 32]).is_ok());
        let code = |outcome: Result<SettingsFrame, ConnectionError>| outcome.unwrap_err().code;
        assert_eq!(code(parse(&[(Setting(99), 1); 33])), ErrorCode::ENHANCE_YOUR_CALM);
        for len in [1, 5, 7, 11] {
            assert_eq!(code(SettingsFrame::parse(&[0; 12][..len])), ErrorCode::FRAME_SIZE_ERROR);
        }
    }
}

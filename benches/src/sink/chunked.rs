//! The `aws-chunked` content coding, in which SDKs wrap a body to put its checksum behind it: chunks of
//! `<size in hex>[;chunk-signature=…]\r\n<bytes>\r\n`, one of size 0, then trailing headers.

/// Takes the coding off a body as it passes.
#[derive(Debug, Default)]
pub(super) struct Decoder {
    state: State,
    line: Vec<u8>,
    trailers: Vec<String>,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum State {
    #[default]
    Size,
    Data(usize),
    DataEnd,
    Trailers,
}

/// A body that is not in this coding.
#[derive(Debug, thiserror::Error)]
#[error("the body is not in aws-chunked coding: {0:?} is no chunk's size")]
pub(super) struct Malformed(String);

impl Decoder {
    /// Decodes the next bytes; `take` is given what they hold of the object.
    pub(super) fn decode(&mut self, mut bytes: &[u8], mut take: impl FnMut(&[u8])) -> Result<(), Malformed> {
        while !bytes.is_empty() {
            if let State::Data(left) = self.state {
                let (data, rest) = bytes.split_at(left.min(bytes.len()));
                take(data);
                bytes = rest;
                self.state = if data.len() == left { State::DataEnd } else { State::Data(left - data.len()) };
                continue;
            }
            let end = bytes.iter().position(|byte| *byte == b'\n');
            let (piece, rest) = bytes.split_at(end.map_or(bytes.len(), |end| end + 1));
            self.line.extend_from_slice(piece);
            bytes = rest;
            if end.is_some() {
                let line = String::from_utf8_lossy(&std::mem::take(&mut self.line)).trim().to_owned();
                self.state = self.after(line)?;
            }
        }
        Ok(())
    }

    fn after(&mut self, line: String) -> Result<State, Malformed> {
        Ok(match self.state {
            State::DataEnd => State::Size,
            State::Trailers => {
                self.trailers.push(line);
                State::Trailers
            }
            State::Size | State::Data(_) => {
                let digits = line.split(';').next().unwrap_or_default();
                match usize::from_str_radix(digits, 16) {
                    Ok(0) => State::Trailers,
                    Ok(size) => State::Data(size),
                    Err(_) => return Err(Malformed(line)),
                }
            }
        })
    }

    /// A header that came behind the body.
    pub(super) fn trailer(&self, name: &str) -> Option<&str> {
        self.trailers.iter().find_map(|line| {
            let (key, value) = line.split_once(':')?;
            key.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Bytes of the coding must not count as the object's, however the wire cuts them.
    #[test]
    fn the_coding_comes_off_wherever_it_is_cut() {
        let body = b"5;chunk-signature=ab\r\nhello\r\n1\r\n\n\r\n0\r\nx-amz-checksum-crc32:AAAA\r\n\r\n";
        for step in 1..=body.len() {
            let mut decoder = Decoder::default();
            let mut object = Vec::new();
            for piece in body.chunks(step) {
                decoder.decode(piece, |data| object.extend_from_slice(data)).unwrap();
            }
            assert_eq!(object, b"hello\n", "in steps of {step}");
            assert_eq!(decoder.trailer("x-amz-checksum-crc32"), Some("AAAA"));
        }
        assert!(Decoder::default().decode(b"no size\r\n", |_| ()).is_err());
    }
}

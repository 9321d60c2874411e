//! Archives whose headers say what a test wants them to say, whatever the data is.

use flate2::{Compress, Compression, FlushCompress};

/// Neither compressed.
pub const STORED: u16 = 0;
/// Compressed by deflate.
pub const DEFLATED: u16 = 8;

const VERSION: u16 = 20;
/// 1 January 1980, midnight.
const TIME: [u8; 4] = [0, 0, 0x21, 0];

/// What both headers of a member say.
#[derive(Debug, Clone)]
pub struct Saying {
    /// Its name.
    pub name: String,
    /// [`STORED`] or [`DEFLATED`].
    pub method: u16,
    /// General purpose flags.
    pub flags: u16,
    /// CRC-32 of its content.
    pub crc32: u32,
    /// Bytes of its data.
    pub compressed: u32,
    /// Bytes of its content.
    pub size: u32,
}

impl Saying {
    /// The truth about a member whose data and content are known.
    pub fn the_truth(name: &str, method: u16, data: &[u8], content: &[u8]) -> Self {
        let length = |bytes: &[u8]| u32::try_from(bytes.len()).expect("less than 4 GiB");
        Self {
            name: name.to_owned(),
            method,
            flags: 0,
            crc32: crc32(content),
            compressed: length(data),
            size: length(content),
        }
    }

    /// A local header.
    pub fn local(&self) -> Vec<u8> {
        let mut bytes = b"PK\x03\x04".to_vec();
        self.put_shared(&mut bytes);
        bytes.extend_from_slice(self.name.as_bytes());
        bytes
    }

    fn put_shared(&self, bytes: &mut Vec<u8>) {
        for field in [VERSION, self.flags, self.method] {
            bytes.extend_from_slice(&field.to_le_bytes());
        }
        bytes.extend_from_slice(&TIME);
        for field in [self.crc32, self.compressed, self.size] {
            bytes.extend_from_slice(&field.to_le_bytes());
        }
        let name = u16::try_from(self.name.len()).expect("a name of less than 64 KiB");
        for field in [name, 0] {
            bytes.extend_from_slice(&field.to_le_bytes());
        }
    }
}

/// An archive that grows.
#[derive(Debug, Default)]
pub struct Crafted {
    bytes: Vec<u8>,
    directory: Vec<u8>,
    members: u16,
}

impl Crafted {
    /// Adds a member: both headers, and the data between.
    pub fn add(&mut self, saying: &Saying, data: &[u8]) {
        let offset = self.bytes.len();
        self.bytes.extend_from_slice(&saying.local());
        self.bytes.extend_from_slice(data);
        self.list(saying, offset);
    }

    /// Adds a stored member as it should be.
    pub fn add_stored(&mut self, name: &str, content: &[u8]) {
        self.add(&Saying::the_truth(name, STORED, content, content), content);
    }

    /// Adds bytes that no header of the directory is about.
    pub fn add_bytes(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// Adds to the directory alone: a member whose local header is elsewhere.
    pub fn list(&mut self, saying: &Saying, offset: usize) {
        let offset = u32::try_from(offset).expect("less than 4 GiB");
        self.directory.extend_from_slice(b"PK\x01\x02");
        self.directory.extend_from_slice(&VERSION.to_le_bytes());
        saying.put_shared(&mut self.directory);
        self.directory.extend_from_slice(&[0; 10]);
        self.directory.extend_from_slice(&offset.to_le_bytes());
        self.directory.extend_from_slice(saying.name.as_bytes());
        self.members += 1;
    }

    /// The archive.
    pub fn finish(self) -> Vec<u8> {
        let Self { mut bytes, directory, members } = self;
        let start = u32::try_from(bytes.len()).expect("less than 4 GiB");
        let length = u32::try_from(directory.len()).expect("less than 4 GiB");
        bytes.extend_from_slice(&directory);
        bytes.extend_from_slice(b"PK\x05\x06\0\0\0\0");
        for field in [members, members] {
            bytes.extend_from_slice(&field.to_le_bytes());
        }
        for field in [length, start] {
            bytes.extend_from_slice(&field.to_le_bytes());
        }
        bytes.extend_from_slice(&[0, 0]);
        bytes
    }
}

fn crc32(content: &[u8]) -> u32 {
    let mut crc = flate2::Crc::new();
    crc.update(content);
    crc.sum()
}

/// So many mebibytes of zeros, deflated: about a thousandth of them, made without them.
pub fn deflated_zeros(mebibytes: usize) -> Vec<u8> {
    let zeros = vec![0; 1 << 20];
    let mut compress = Compress::new(Compression::best(), false);
    let mut piece = Vec::with_capacity(1 << 16);
    compress.compress_vec(&zeros, &mut piece, FlushCompress::Full).expect("a deflate stream");
    assert_eq!(compress.total_in(), zeros.len() as u64, "all of it is in the piece");
    let mut stream = piece.repeat(mebibytes);
    // The last block: fixed codes, and none but that of the end.
    stream.extend_from_slice(&[3, 0]);
    stream
}

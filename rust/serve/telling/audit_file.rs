//! Audit file: the lines on the disk, and what stands beside them.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

/// What the first line has before it.
const ZEROS: [u8; 32] = [0; 32];
/// No line of the log is longer; what is longer was not written by it.
const LONGEST_LINE: u64 = 1 << 16;

/// A log that is open for its next line, and for nobody else's.
pub struct AuditFile {
    path: PathBuf,
    file: File,
    /// Bytes of whole lines.
    whole: u64,
    /// Bytes after them may be a part of a line, for it could neither be written nor taken back.
    is_torn: bool,
    lines: u64,
    hash: [u8; 32],
}

/// How far a log has come: written beside it, so that an end that was cut off is found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Head {
    pub lines: u64,
    /// SHA-256 of the last line, hexadecimal.
    pub hash: String,
}

/// Of a line, what the next one needs.
#[derive(Deserialize)]
struct Numbered {
    n: u64,
}

impl AuditFile {
    /// Opens the log at `path`, or begins it, and says what was done about a torn last line.
    pub fn open(path: &Path) -> Result<(Self, Option<String>), String> {
        let failed = |error: io::Error| format!("audit log {}: {error}", path.display());
        let mut file = OpenOptions::new().read(true).append(true).create(true).open(path).map_err(failed)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(format!("audit log {}: another server writes it; give each its own", path.display()));
            }
            Err(TryLockError::Error(error)) => return Err(failed(error)),
        }
        let end = file.seek(SeekFrom::End(0)).map_err(failed)?;
        if end == 0 {
            keep_name(path).map_err(failed)?;
        }
        let last = Tail::read(&mut file, end).map_err(failed)?;
        let (lines, hash) = last.next().ok_or_else(|| {
            format!("audit log {}: its last line is no line of an audit log; begin a new one elsewhere", path.display())
        })?;
        let mut log = AuditFile { path: path.into(), file, whole: last.whole, is_torn: false, lines, hash };
        log.refuse_cut_end()?;
        let said = log.move_torn(&last.torn).map_err(failed)?;
        Ok((log, said))
    }

    /// Number of the next line.
    pub fn lines(&self) -> u64 {
        self.lines
    }

    pub fn head(&self) -> Head {
        Head { lines: self.lines, hash: hex(&self.hash) }
    }

    /// A second handle, to bring what is written to the disk itself.
    pub fn handle(&self) -> io::Result<File> {
        self.file.try_clone()
    }

    /// Appends `line`, which has no newline, in one write; what was written of it in vain is taken back.
    pub fn append(&mut self, mut line: Vec<u8>) -> io::Result<()> {
        if self.is_torn {
            self.file.set_len(self.whole)?;
            self.is_torn = false;
        }
        let hash = Sha256::digest(&line).into();
        line.push(b'\n');
        if let Err(error) = self.file.write_all(&line) {
            self.is_torn = self.file.set_len(self.whole).is_err();
            return Err(error);
        }
        self.whole += line.len() as u64;
        self.lines += 1;
        self.hash = hash;
        Ok(())
    }

    /// A head file that is ahead of the log proves that lines are gone; to go on would cover it up.
    fn refuse_cut_end(&self) -> Result<(), String> {
        let path = head_path(&self.path);
        let text = match fs::read(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(format!("{}: {error}", path.display())),
        };
        let head: Head = serde_json::from_slice(&text).map_err(|error| format!("{}: {error}", path.display()))?;
        if head.lines > self.lines || (head.lines == self.lines && self.lines > 0 && head.hash != hex(&self.hash)) {
            return Err(format!(
                "audit log {}: {} lines, and its head file knows {}, the last of hash {}: lines were removed or changed; \
                 keep both files as evidence and begin a new log",
                self.path.display(),
                self.lines,
                head.lines,
                head.hash
            ));
        }
        Ok(())
    }

    /// Puts bytes after the last newline into a file beside the log.
    fn move_torn(&mut self, torn: &[u8]) -> io::Result<Option<String>> {
        if torn.is_empty() {
            return Ok(None);
        }
        let path = beside(&self.path, &format!("torn-{}", self.lines));
        let mut file = OpenOptions::new().append(true).create(true).open(&path)?;
        file.write_all(torn)?;
        file.sync_all()?;
        self.file.set_len(self.whole)?;
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        Ok(Some(format!("{} bytes of a torn last line were moved to {name}", torn.len())))
    }
}

#[cfg(test)]
impl AuditFile {
    pub fn swap_file(&mut self, file: File) -> File {
        std::mem::replace(&mut self.file, file)
    }
}

impl Head {
    /// Writes this beside the log at `path`, whole or not at all.
    pub fn write(&self, path: &Path) -> io::Result<()> {
        let new = beside(path, "head.new");
        let mut file = File::create(&new)?;
        file.write_all(serde_json::to_string(self)?.as_bytes())?;
        file.write_all(b"\n")?;
        file.sync_all()?;
        fs::rename(new, head_path(path))
    }
}

/// Where the head of the log at `path` is written.
pub fn head_path(path: &Path) -> PathBuf {
    beside(path, "head")
}

/// Brings the name of a new file to the disk itself: what is synced under a name that is lost is lost.
#[cfg(unix)]
fn keep_name(path: &Path) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(folder)?.sync_all()
}

/// Folders cannot be synced here.
#[cfg(not(unix))]
fn keep_name(_: &Path) -> io::Result<()> {
    Ok(())
}

fn beside(path: &Path, what: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".");
    name.push(what);
    name.into()
}

pub fn hex(hash: &[u8]) -> String {
    hash.iter().flat_map(|byte| [byte >> 4, byte & 15]).filter_map(|digit| char::from_digit(digit.into(), 16)).collect()
}

/// The end of a log.
struct Tail {
    /// Bytes up to the last newline.
    whole: u64,
    /// The last whole line; `None` also where it is too long to be one.
    line: Option<Vec<u8>>,
    /// What comes after the last newline.
    torn: Vec<u8>,
}

impl Tail {
    /// Number of the next line and the hash before it, unless what stands there is no line of an audit log.
    fn next(&self) -> Option<(u64, [u8; 32])> {
        match &self.line {
            None => (self.whole == 0).then_some((0, ZEROS)),
            Some(line) => {
                let numbered: Numbered = serde_json::from_slice(line).ok()?;
                Some((numbered.n.checked_add(1)?, Sha256::digest(line).into()))
            }
        }
    }

    fn read(file: &mut File, end: u64) -> io::Result<Self> {
        let begin = end.saturating_sub(2 * LONGEST_LINE);
        file.seek(SeekFrom::Start(begin))?;
        let mut bytes = Vec::new();
        file.take(end - begin).read_to_end(&mut bytes)?;
        let Some(last) = bytes.iter().rposition(|&byte| byte == b'\n') else {
            let is_all = begin == 0;
            return Ok(Tail {
                whole: if is_all { 0 } else { end },
                line: None,
                torn: if is_all { bytes } else { vec![] },
            });
        };
        let first = bytes[..last].iter().rposition(|&byte| byte == b'\n').map_or(0, |newline| newline + 1);
        let is_cut = first == 0 && begin > 0;
        let line = (!is_cut).then(|| bytes[first..last].to_vec());
        Ok(Tail { whole: begin + last as u64 + 1, line, torn: bytes[last + 1..].to_vec() })
    }
}

//! Folders of this machine: in some files are dropped, in others they are put.

use std::{
    fs::{self, File, Metadata},
    io::{self, Read as _, Seek as _, SeekFrom},
    path::{Component, Path, PathBuf},
    sync::Arc,
    time::{Duration, UNIX_EPOCH},
};

use async_trait::async_trait;
use serde_json::json;
use tidegate_engine::{
    Engine, chain,
    ports::{Clock, DroppedFile, Files, MOST_FILES, PortError, Shelf, ShelfError},
};
use tidegate_model::{Content, FlowId};
use tokio::task::spawn_blocking;

/// Files in folders. A place is a path; folders and links within it are passed over: whoever may drop a file
/// chooses no other file of this machine to be read, a line of which would stand among the reviews.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Folders;

#[async_trait]
impl Files for Folders {
    async fn list(&self, place: &str, after: Option<&str>) -> Result<Vec<DroppedFile>, PortError> {
        let (folder, after) = (folder(place)?, after.map(str::to_owned));
        let listed = spawn_blocking(move || list(&folder, after.as_deref())).await;
        told(
            place,
            listed.unwrap_or_else(|error| Err(io::Error::other(error))),
        )
    }

    async fn read(
        &self,
        place: &str,
        file: &DroppedFile,
        from: u64,
        most: usize,
    ) -> Result<Option<Vec<u8>>, PortError> {
        let (path, file) = (folder(place)?.join(&file.name), file.clone());
        let read = spawn_blocking(move || read(&path, &file, from, most)).await;
        told(
            place,
            read.unwrap_or_else(|error| Err(io::Error::other(error))),
        )
    }
}

#[async_trait]
impl Shelf for Folders {
    async fn put(&self, place: &str, name: &str, bytes: Vec<u8>) -> Result<(), ShelfError> {
        let operation = || format!("put {name} to {place}");
        let refused = |reason: &str| ShelfError::Refused(PortError::new(operation(), reason));
        if place.starts_with("s3://") {
            let reason = "into a bucket the functions on AWS put; on one machine name a folder";
            return Err(refused(reason));
        }
        let is_below = |part| matches!(part, Component::Normal(_));
        if !Path::new(name).components().all(is_below) || name.is_empty() {
            return Err(refused("it is no name below the place"));
        }
        let (folder, name) = (PathBuf::from(place), name.to_owned());
        let put = spawn_blocking(move || put(&folder, &name, &bytes)).await;
        let put = put.unwrap_or_else(|error| Err(io::Error::other(error)));
        put.map_err(|error| {
            let kind = error.kind();
            let error = PortError::new(operation(), error);
            match kind {
                io::ErrorKind::PermissionDenied
                | io::ErrorKind::NotADirectory
                | io::ErrorKind::ReadOnlyFilesystem => ShelfError::Refused(error),
                _ => ShelfError::Failed(error),
            }
        })
    }
}

/// Puts a file under its name once all of it is on the disk: who reads the folder meets no half of it. A name
/// that is taken stays as it is, which a link keeps to and a renaming would not.
fn put(place: &Path, name: &str, bytes: &[u8]) -> io::Result<()> {
    // One that is made here would be read by nobody.
    if !place.is_dir() {
        return Err(io::Error::new(
            io::ErrorKind::NotADirectory,
            "there is no such folder",
        ));
    }
    let path = place.join(name);
    let folder = path.parent().unwrap_or(place);
    fs::create_dir_all(folder)?;
    // Its own name of each try, with an ending that nobody takes for a file to read.
    let unfinished = folder.join(format!(".{:016x}.part", rand::random::<u64>()));
    let linked = write_whole(&unfinished, bytes).and_then(|()| fs::hard_link(&unfinished, &path));
    let removed = fs::remove_file(&unfinished);
    match linked {
        Ok(()) => removed,
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && path.is_file() => removed,
        Err(error) => Err(error),
    }?;
    // The name too is on the disk when it is told that the file is there.
    File::open(folder)?.sync_all()
}

fn write_whole(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = File::create_new(path)?;
    io::Write::write_all(&mut file, bytes)?;
    file.sync_all()
}

/// How often a folder is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// Starts a batch when a file lands in the flow's folder, as an event of S3 does on AWS: once two looks
/// have shown the same, since a file that is being copied grows. What is there already is a start too,
/// and known by its files: a batch that has begun for them is not begun again.
pub(crate) async fn watch(engine: Arc<Engine>, flow: FlowId, place: String, clock: Arc<dyn Clock>) {
    let (mut before, mut started) = (Vec::new(), Vec::new());
    let mut is_well = true;
    loop {
        match Folders.list(&place, None).await {
            Ok(files) => {
                is_well = true;
                if files == before && files != started && !files.is_empty() {
                    match engine.ask_run_for(&flow, &name_of(&files)).await {
                        Ok(()) => started.clone_from(&files),
                        Err(error) => {
                            tracing::error!(flow = %flow, error = %chain(&error), "the batch of a file was not started");
                        }
                    }
                }
                before = files;
            }
            // Once: it is looked at again every other second.
            Err(error) if is_well => {
                is_well = false;
                tracing::error!(flow = %flow, error = %chain(&error), "the folder can not be looked at");
            }
            Err(_) => {}
        }
        clock.wait_until(clock.now() + LOOK_EVERY).await;
    }
}

/// Names files as they are now.
fn name_of(files: &[DroppedFile]) -> String {
    let shown = files.iter().map(|file| json!([file.name, file.tag]));
    let shown = std::iter::once(("files".to_owned(), shown.collect())).collect();
    Content::Record(shown).hash().0
}

fn folder(place: &str) -> Result<PathBuf, PortError> {
    if place.starts_with("s3://") {
        let reason = "a bucket is read by the functions on AWS; on one machine name a folder";
        return Err(PortError::new(format!("read files of {place}"), reason));
    }
    Ok(PathBuf::from(place))
}

fn told<T>(place: &str, result: io::Result<T>) -> Result<T, PortError> {
    result.map_err(|error| PortError::new(format!("read files of {place}"), error))
}

fn list(folder: &Path, after: Option<&str>) -> io::Result<Vec<DroppedFile>> {
    let mut files = Vec::new();
    for entry in folder.read_dir()? {
        let entry = entry?;
        // What has another name than text, or is gone meanwhile, is no file of ours.
        let found = entry.path().symlink_metadata();
        let (Ok(name), Ok(found)) = (entry.file_name().into_string(), found) else {
            continue;
        };
        if found.is_file() && after.is_none_or(|after| name.as_str() > after) {
            files.push(DroppedFile {
                tag: tag(&found),
                bytes: found.len(),
                name,
            });
        }
    }
    files.sort_by(|one, other| one.name.cmp(&other.name));
    files.truncate(MOST_FILES);
    Ok(files)
}

/// A file that is written to has another time or length.
fn tag(found: &Metadata) -> String {
    let modified = found.modified().ok();
    let since = modified.and_then(|at| at.duration_since(UNIX_EPOCH).ok());
    let nanos = since.map_or(0, |since| since.as_nanos());
    format!("{nanos}-{}", found.len())
}

fn read(path: &Path, listed: &DroppedFile, from: u64, most: usize) -> io::Result<Option<Vec<u8>>> {
    let Some(mut file) = open_no_link(path)? else {
        return Ok(None);
    };
    file.seek(SeekFrom::Start(from))?;
    let mut bytes = Vec::new();
    let most = u64::try_from(most).unwrap_or(u64::MAX);
    file.by_ref().take(most).read_to_end(&mut bytes)?;
    // Asked after it was read: what was written meanwhile shows.
    Ok((tag(&file.metadata()?) == listed.tag).then_some(bytes))
}

/// Opens a file that stands under this name itself; none where it is gone, or a link stands there by now.
fn open_no_link(path: &Path) -> io::Result<Option<File>> {
    let opened = path.symlink_metadata().and_then(|found| {
        // What is no file is not opened: a pipe would wait for whoever writes to it.
        let file = found.is_file().then(|| File::open(path)).transpose()?;
        Ok(file.map(|file| (found, file)))
    });
    match opened {
        // A link that was put there between the two has led to another file.
        Ok(Some((found, file))) => Ok(is_same(&found, &file.metadata()?).then_some(file)),
        Ok(None) => Ok(None),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

#[cfg(unix)]
fn is_same(one: &Metadata, other: &Metadata) -> bool {
    use std::os::unix::fs::MetadataExt as _;
    (one.dev(), one.ino()) == (other.dev(), other.ino())
}

#[cfg(not(unix))]
fn is_same(one: &Metadata, other: &Metadata) -> bool {
    tag(one) == tag(other)
}

#[cfg(test)]
mod tests {
    use tempfile::tempdir;

    use super::*;

    #[tokio::test]
    async fn a_folder_gives_its_files_by_name_and_their_bytes_piece_by_piece() {
        let folder = tempdir().unwrap();
        let place = folder.path().to_str().unwrap();
        fs::create_dir(folder.path().join("within")).unwrap();
        for (name, text) in [("b.csv", "0123456789"), ("a.csv", "")] {
            fs::write(folder.path().join(name), text).unwrap();
        }
        let files = Folders.list(place, None).await.unwrap();
        let names: Vec<&str> = files.iter().map(|file| file.name.as_str()).collect();
        assert_eq!(names, ["a.csv", "b.csv"]);
        assert_eq!(
            Folders.list(place, Some("a.csv")).await.unwrap(),
            files[1..]
        );
        for (from, expected) in [(0, "0123"), (8, "89"), (10, "")] {
            let bytes = Folders.read(place, &files[1], from, 4).await.unwrap();
            assert_eq!(bytes.as_deref(), Some(expected.as_bytes()));
        }
        fs::write(folder.path().join("b.csv"), "01234567890").unwrap();
        assert_eq!(Folders.read(place, &files[1], 0, 4).await.unwrap(), None);
        fs::remove_file(folder.path().join("b.csv")).unwrap();
        assert_eq!(Folders.read(place, &files[1], 0, 4).await.unwrap(), None);
    }

    #[cfg(unix)]
    #[tokio::test]
    async fn a_link_is_passed_over_and_one_put_in_the_place_of_a_file_is_not_followed() {
        let (folder, elsewhere) = (tempdir().unwrap(), tempdir().unwrap());
        let place = folder.path().to_str().unwrap();
        let secret = elsewhere.path().join("secret");
        fs::write(&secret, "root:x").unwrap();
        let link = folder.path().join("link.csv");
        std::os::unix::fs::symlink(&secret, &link).unwrap();
        assert_eq!(Folders.list(place, None).await.unwrap(), []);

        // Even where the file that it leads to looks the same as the one that was listed.
        fs::remove_file(&link).unwrap();
        fs::rename(&secret, &link).unwrap();
        let listed = Folders.list(place, None).await.unwrap();
        fs::rename(&link, &secret).unwrap();
        std::os::unix::fs::symlink(&secret, &link).unwrap();
        assert_eq!(Folders.read(place, &listed[0], 0, 4).await.unwrap(), None);
    }

    #[tokio::test]
    async fn a_file_is_put_under_its_name_and_stays_as_it_was_first() {
        let folder = tempdir().unwrap();
        let place = folder.path().join("staged");
        let place = place.to_str().unwrap();
        // One that is made by whoever puts is read by nobody.
        let nowhere = Folders.put(place, "orders/2026/a.jsonl.gz", vec![1]).await;
        assert!(
            matches!(nowhere, Err(ShelfError::Refused(_))),
            "{nowhere:?}"
        );
        fs::create_dir(place).unwrap();
        for bytes in [b"first".as_slice(), b"second"] {
            let put = Folders.put(place, "orders/2026/a.jsonl.gz", bytes.to_vec());
            put.await.unwrap();
        }
        let within = Path::new(place).join("orders/2026");
        let read = fs::read(within.join("a.jsonl.gz")).unwrap();
        assert_eq!(read, b"first");
        let left = within.read_dir().unwrap().count();
        assert_eq!(left, 1, "nothing is left of how it was put");
    }

    #[tokio::test]
    async fn of_many_that_put_the_same_name_one_stays_whole() {
        let folder = tempdir().unwrap();
        let place = folder.path().to_str().unwrap().to_owned();
        let puts = (0_u8..8).map(|byte| {
            let place = place.clone();
            tokio::spawn(async move { Folders.put(&place, "a", vec![byte; 100_000]).await })
        });
        for put in puts.collect::<Vec<_>>() {
            put.await.unwrap().unwrap();
        }
        let read = fs::read(folder.path().join("a")).unwrap();
        assert!(read.len() == 100_000 && read.iter().all(|byte| *byte == read[0]));
        assert_eq!(folder.path().read_dir().unwrap().count(), 1);
    }

    #[tokio::test]
    async fn what_can_not_be_put_leaves_nothing_and_no_name_leads_out_of_the_place() {
        let folder = tempdir().unwrap();
        let place = folder.path().join("in");
        fs::create_dir_all(place.join("taken.jsonl.gz")).unwrap();
        let place = place.to_str().unwrap();
        for name in ["taken.jsonl.gz", "../out", "/out", "a/../../out", ".", ""] {
            assert!(Folders.put(place, name, vec![1]).await.is_err(), "{name}");
        }
        assert!(Folders.put("s3://b/", "a", vec![1]).await.is_err());
        assert_eq!(Path::new(place).read_dir().unwrap().count(), 1);
        assert_eq!(folder.path().read_dir().unwrap().count(), 1);
    }

    #[tokio::test]
    async fn a_folder_that_is_not_there_and_a_bucket_are_told() {
        let error = Folders.list("/nowhere", None).await.unwrap_err();
        assert_eq!(error.to_string(), "read files of /nowhere failed");
        let error = Folders.list("s3://drop/in/", None).await.unwrap_err();
        let why = std::error::Error::source(&error).unwrap().to_string();
        assert!(why.contains("on one machine name a folder"), "{why}");
    }
}

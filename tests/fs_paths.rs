//! The functions of `fs`: paths, directories, and what removes itself.
#![cfg(target_os = "linux")]

mod census;
mod common;

use std::collections::BTreeSet;
use std::io::ErrorKind;
use std::os::unix::fs::PermissionsExt;
use std::sync::mpsc;

use census::{eventually, no_leftovers};
use futures_lite::StreamExt;
use monoloop::fs::{self, OpenOptions, Permissions, TempDir};
use monoloop::io::*;
use monoloop::{EventLoop, spawn_blocking};

#[test]
fn they_do_what_those_of_std_do() {
    let _clean = no_leftovers();
    monoloop::run(async {
        let dir = fs::temp_dir().await.unwrap();
        let at = |name: &str| dir.path().join(name);
        fs::write(at("a"), "one").await.unwrap();
        fs::write(at("a"), "uno").await.unwrap();
        assert_eq!(fs::read(at("a")).await.unwrap(), b"uno");
        assert_eq!(fs::copy(at("a"), at("b")).await.unwrap(), 3);
        fs::rename(at("b"), at("c")).await.unwrap();
        assert!(!fs::exists(at("b")).await.unwrap() && fs::exists(at("c")).await.unwrap());
        assert_eq!(fs::read_to_string(at("c")).await.unwrap(), "uno");
        fs::hard_link(at("c"), at("d")).await.unwrap();
        fs::remove_file(at("c")).await.unwrap();
        assert_eq!(fs::metadata(at("d")).await.unwrap().len(), 3);

        fs::symlink(at("d"), at("link")).await.unwrap();
        assert_eq!(fs::read_link(at("link")).await.unwrap(), at("d"));
        assert!(fs::symlink_metadata(at("link")).await.unwrap().is_symlink());
        assert!(fs::metadata(at("link")).await.unwrap().is_file());
        let real = fs::canonicalize(at("link")).await.unwrap();
        assert_eq!(real, std::fs::canonicalize(at("d")).unwrap());

        fs::set_permissions(at("d"), Permissions::from_mode(0o400)).await.unwrap();
        assert_eq!(fs::metadata(at("d")).await.unwrap().permissions().mode() & 0o777, 0o400);

        fs::create_dir(at("deep")).await.unwrap();
        let error = fs::create_dir(at("deep")).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::AlreadyExists);
        fs::create_dir_all(at("deep/er/still")).await.unwrap();
        let error = fs::remove_dir(at("deep")).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::DirectoryNotEmpty);
        fs::remove_dir(at("deep/er/still")).await.unwrap();
        fs::remove_dir_all(at("deep")).await.unwrap();
        assert!(!fs::exists(at("deep")).await.unwrap());

        // The operating system's own number is kept.
        let error = fs::read(at("nothing")).await.unwrap_err();
        assert_eq!((error.kind(), error.raw_os_error()), (ErrorKind::NotFound, Some(2)));
        fs::write(at("bytes"), [0xFF]).await.unwrap();
        let error = fs::read_to_string(at("bytes")).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidData);
    });
}

#[test]
fn files_are_opened_as_the_options_say() {
    let _clean = no_leftovers();
    monoloop::run(async {
        let dir = fs::temp_dir().await.unwrap();
        let (path, link) = (dir.path().join("file"), dir.path().join("link"));
        let error = OpenOptions::new().open(&path).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        let error = OpenOptions::new().write(true).open(&path).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound);

        let mut new = OpenOptions::new();
        new.read(true).write(true).create_new(true).mode(0o600);
        let mut file = new.open(&path).await.unwrap();
        assert_eq!(file.metadata().await.unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(new.open(&path).await.unwrap_err().kind(), ErrorKind::AlreadyExists);

        // Behind what another handle has written since.
        let mut log = OpenOptions::new().append(true).open(&path).await.unwrap();
        file.write_all(b"one ").await.unwrap();
        file.flush().await.unwrap();
        log.write_all(b"two").await.unwrap();
        log.flush().await.unwrap();
        assert_eq!(fs::read(&path).await.unwrap(), b"one two");
        // Over what is there, and in the place of it.
        let mut over = OpenOptions::new().write(true).create(true).open(&path).await.unwrap();
        over.write_all(b"ONE").await.unwrap();
        over.flush().await.unwrap();
        assert_eq!(fs::read(&path).await.unwrap(), b"ONE two");
        OpenOptions::new().write(true).truncate(true).open(&path).await.unwrap();
        assert_eq!(fs::read(&path).await.unwrap(), b"");

        fs::symlink(&path, &link).await.unwrap();
        let mut options = OpenOptions::new();
        options.read(true).open(&link).await.unwrap();
        let error = options.custom_flags(libc::O_NOFOLLOW).open(&link).await.unwrap_err();
        assert_eq!(error.raw_os_error(), Some(libc::ELOOP));
        let mut read_only = fs::File::open(&path).await.unwrap();
        read_only.write_all(b"no").await.unwrap();
        read_only.flush().await.unwrap_err();
    });
}

#[test]
fn what_is_dropped_before_it_has_begun_does_nothing() {
    let _clean = no_leftovers();
    let event_loop = EventLoop::builder().blocking_threads(1).build().unwrap();
    event_loop.run(async {
        let dir = fs::temp_dir().await.unwrap();
        let path = dir.path().join("precious");
        fs::write(&path, "data").await.unwrap();
        let (go, wait) = mpsc::channel::<()>();
        let busy = spawn_blocking(move || wait.recv());
        let mut removal = fs::remove_file(&path);
        assert!(futures_lite::future::poll_once(&mut removal).await.is_none());
        drop(removal);
        drop(fs::remove_dir_all(dir.path()));
        drop(go);
        busy.await.unwrap().unwrap_err();
        assert_eq!(fs::read_to_string(&path).await.unwrap(), "data");
    });
}

#[test]
fn an_operation_can_be_spawned_with_a_borrowed_path() {
    let _clean = no_leftovers();
    monoloop::run(async {
        let task = {
            let path = String::from("/");
            monoloop::spawn(fs::metadata(&path))
        };
        assert!(task.await.unwrap().unwrap().is_dir());
    });
}

#[test]
fn a_directory_is_read_in_batches() {
    let _clean = no_leftovers();
    monoloop::run(async {
        let dir = fs::temp_dir().await.unwrap();
        for n in [0, 1, 63, 64, 65, 200] {
            let path = dir.path().join(n.to_string());
            std::fs::create_dir(&path).unwrap();
            let names: BTreeSet<_> = (0..n).map(|n| format!("{n}").into()).collect();
            names.iter().for_each(|name| std::fs::write(path.join(name), "").unwrap());
            let mut entries = fs::read_dir(&path).await.unwrap();
            let mut seen = BTreeSet::new();
            // A dropped `next_entry` loses nothing.
            loop {
                let _ = futures_lite::future::poll_once(entries.next_entry()).await.map(|entry| {
                    seen.extend(entry.unwrap().map(|entry| entry.file_name()));
                });
                match entries.next().await {
                    Some(entry) => {
                        let entry = entry.unwrap();
                        assert!(entry.file_type().unwrap().is_file());
                        assert!(seen.insert(entry.file_name()));
                    }
                    None => break,
                }
            }
            assert_eq!(seen, names);
            assert!(entries.next_entry().await.unwrap().is_none());
        }
        let error = fs::read_dir(dir.path().join("nothing")).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound);
    });
}

#[test]
fn a_temporary_directory_goes_with_its_value() {
    let _clean = no_leftovers();
    let make = || -> TempDir {
        monoloop::run(async {
            let dir = fs::temp_dir().await.unwrap();
            fs::create_dir_all(dir.path().join("a/b")).await.unwrap();
            dir
        })
    };
    // On its loop: gone at the end of it at the latest.
    let path = monoloop::run(async {
        let dir = fs::temp_dir().await.unwrap();
        let mode = fs::metadata(dir.path()).await.unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o700);
        dir.path().to_owned()
    });
    assert!(!path.exists());
    // Without a loop: at once.
    let dir = make();
    let path = dir.path().to_owned();
    assert!(path.exists());
    drop(dir);
    assert!(!path.exists());
    // Closed, and closed in vain.
    let dir = make();
    let path = dir.path().to_owned();
    monoloop::run(async move {
        drop(dir.close());
        eventually("removed", || !path.exists());
        let dir = fs::temp_dir().await.unwrap();
        std::fs::remove_dir(dir.path()).unwrap();
        assert_eq!(dir.close().await.unwrap_err().kind(), ErrorKind::NotFound);
    });
    // Kept.
    let path = make().keep();
    assert!(path.exists());
    std::fs::remove_dir_all(path).unwrap();
}

#[test]
fn a_temporary_file_has_no_name() {
    let _clean = no_leftovers();
    monoloop::run(async {
        let mut file = fs::temp_file().await.unwrap();
        file.write_all(b"scratch").await.unwrap();
        file.seek(SeekFrom::Start(0)).await.unwrap();
        let mut text = String::new();
        file.read_to_string(&mut text).await.unwrap();
        assert_eq!(text, "scratch");
        let metadata = file.metadata().await.unwrap();
        assert_eq!(std::os::unix::fs::MetadataExt::nlink(&metadata), 0);
        file.set_permissions(Permissions::from_mode(0o400)).await.unwrap();
        file.sync_data().await.unwrap();
    });
}

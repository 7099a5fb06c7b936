//! What every socket shows of its descriptor.

/// `Debug`, and `AsFd` on Unix, by the `Registered` that `$io` names in `$this`.
macro_rules! descriptor {
    ($type:ty, |$this:ident| $io:expr) => {
        impl std::fmt::Debug for $type {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                let $this = self;
                std::fmt::Debug::fmt(&$io, f)
            }
        }

        #[cfg(unix)]
        impl std::os::fd::AsFd for $type {
            fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> {
                let $this = self;
                $io.get().as_fd()
            }
        }
    };
}

pub(super) use descriptor;

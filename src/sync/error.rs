//! What the errors of channels and queues have in common.

/// Defines an error that gives a value back, without asking of the value to be shown.
macro_rules! gives_back {
    ($(#[$attributes:meta])* $name:ident, $message:literal) => {
        $(#[$attributes])*
        #[derive(Clone, Copy, PartialEq, Eq)]
        pub struct $name<T>(pub T);

        impl<T> $name<T> {
            /// Gives back what was not taken.
            pub fn into_inner(self) -> T {
                self.0
            }
        }

        impl<T> ::std::fmt::Debug for $name<T> {
            fn fmt(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                f.debug_struct(stringify!($name)).finish_non_exhaustive()
            }
        }

        impl<T> ::std::fmt::Display for $name<T> {
            fn fmt(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                f.write_str($message)
            }
        }

        impl<T> ::std::error::Error for $name<T> {}
    };
}

/// Defines an error that gives a value back, and of which there are two kinds.
macro_rules! gives_back_either {
    (
        $(#[$attributes:meta])* $name:ident,
        $(#[$first_attributes:meta])* $first:ident, $first_message:literal,
        $(#[$second_attributes:meta])* $second:ident, $second_message:literal
    ) => {
        $(#[$attributes])*
        #[derive(Clone, Copy, PartialEq, Eq)]
        pub enum $name<T> {
            $(#[$first_attributes])*
            $first(T),
            $(#[$second_attributes])*
            $second(T),
        }

        impl<T> $name<T> {
            /// Gives back what was not taken.
            pub fn into_inner(self) -> T {
                match self {
                    Self::$first(value) | Self::$second(value) => value,
                }
            }
        }

        impl<T> ::std::fmt::Debug for $name<T> {
            fn fmt(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                let variant = match self {
                    Self::$first(_) => stringify!($first),
                    Self::$second(_) => stringify!($second),
                };
                f.debug_tuple(variant).finish_non_exhaustive()
            }
        }

        impl<T> ::std::fmt::Display for $name<T> {
            fn fmt(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                f.write_str(match self {
                    Self::$first(_) => $first_message,
                    Self::$second(_) => $second_message,
                })
            }
        }

        impl<T> ::std::error::Error for $name<T> {}
    };
}

/// Defines an error that says which of some things happened, or that the one thing did.
macro_rules! says {
    ($(#[$attributes:meta])* $name:ident, $message:literal) => {
        $(#[$attributes])*
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        pub struct $name;

        impl ::std::fmt::Display for $name {
            fn fmt(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                f.write_str($message)
            }
        }

        impl ::std::error::Error for $name {}
    };
    ($(#[$attributes:meta])* $name:ident, $($(#[$doc:meta])* $variant:ident, $message:literal),+) => {
        $(#[$attributes])*
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        pub enum $name {
            $($(#[$doc])* $variant,)+
        }

        impl ::std::fmt::Display for $name {
            fn fmt(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                f.write_str(match self {
                    $(Self::$variant => $message,)+
                })
            }
        }

        impl ::std::error::Error for $name {}
    };
}

pub(super) use {gives_back, gives_back_either, says};

/// Declares sets of flags that keep bits which nobody has named.
macro_rules! bits {
    ($(
        $(#[$attribute:meta])*
        $name:ident: $number:ty { $($(#[$doc:meta])* $constant:ident = $value:literal;)* }
    )*) => { $(
        $(#[$attribute])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
        pub struct $name($number);

        impl $name {
            $($(#[$doc])* pub const $constant: Self = Self($value);)*

            /// From its bits; those without a name are kept.
            pub const fn from_bits(bits: $number) -> Self {
                Self(bits)
            }

            /// Its bits.
            pub const fn bits(self) -> $number {
                self.0
            }

            /// Whether all of `other` is in it.
            pub const fn contains(self, other: Self) -> bool {
                self.0 & other.0 == other.0
            }
        }

        impl BitOr for $name {
            type Output = Self;

            fn bitor(self, other: Self) -> Self {
                Self(self.0 | other.0)
            }
        }
    )* };
}

pub(super) use bits;

//! The Merkle tree of transparency logs: roots and inclusion proofs.

// SPEC: RFC 6962 section 2.1.

use aws_lc_rs::digest::{SHA256, digest};

/// A SHA-256.
pub(crate) type Hash = [u8; 32];

/// SHA-256 of several pieces one after the other.
pub(crate) fn sha256(pieces: &[&[u8]]) -> Hash {
    digest(&SHA256, &pieces.concat()).as_ref().try_into().unwrap_or_default()
}

/// The hash of an entry.
pub(crate) fn leaf(entry: &[u8]) -> Hash {
    sha256(&[&[0], entry])
}

/// The hash of two subtrees.
pub(crate) fn node(left: &Hash, right: &Hash) -> Hash {
    sha256(&[&[1], left, right])
}

/// The largest power of two that is smaller than `size`, which is at least 2.
fn split(size: usize) -> usize {
    size.next_power_of_two() / 2
}

/// The root over leaf hashes; that of the empty tree is the hash of nothing.
pub(crate) fn root(leaves: &[Hash]) -> Hash {
    match leaves {
        [] => sha256(&[]),
        [one] => *one,
        more => match more.split_at_checked(split(more.len())) {
            Some((left, right)) => node(&root(left), &root(right)),
            None => Hash::default(),
        },
    }
}

/// The hashes that lead from leaf `index` to the root, from the bottom up.
pub(crate) fn proof(leaves: &[Hash], index: usize) -> Vec<Hash> {
    if leaves.len() < 2 {
        return Vec::new();
    }
    let middle = split(leaves.len());
    let Some((left, right)) = leaves.split_at_checked(middle) else { return Vec::new() };
    let (mut path, other) = if index < middle {
        (proof(left, index), root(right))
    } else {
        (proof(right, index - middle), root(left))
    };
    path.push(other);
    path
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// RFC 9162 section 2.1.3.2, which shares nothing with the recursion above.
    fn climbs(entry: Hash, mut index: usize, size: usize, path: &[Hash]) -> Option<Hash> {
        let mut last = size.checked_sub(1)?;
        let mut hash = entry;
        for step in path {
            if last == 0 {
                return None;
            }
            if index & 1 == 1 || index == last {
                hash = node(step, &hash);
                while index & 1 == 0 && index != 0 {
                    index >>= 1;
                    last >>= 1;
                }
            } else {
                hash = node(&hash, step);
            }
            index >>= 1;
            last >>= 1;
        }
        (last == 0).then_some(hash)
    }

    #[test]
    fn the_root_of_nothing_is_the_hash_of_nothing() {
        assert_eq!(
            crate::digest::hex(&root(&[])),
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
        );
    }

    proptest! {
        #[test]
        fn every_proof_climbs_to_the_root(size in 1_usize..70, pick in any::<prop::sample::Index>()) {
            let leaves: Vec<Hash> = (0..size).map(|at| leaf(&at.to_be_bytes())).collect();
            let index = pick.index(size);
            let path = proof(&leaves, index);
            prop_assert_eq!(climbs(leaves[index], index, size, &path), Some(root(&leaves)));
        }
    }
}

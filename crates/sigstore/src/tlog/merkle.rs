//! Merkle trees of logs.
//!
//! SPEC: RFC 6962 section 2.1 (hashing), RFC 9162 section 2.1.3.2 (inclusion).
use super::MAX_PATH;
use crate::encoding::sha256;

/// The hash of an entry.
pub(super) fn leaf(body: &[u8]) -> [u8; 32] {
    sha256(&[&[0], body].concat())
}

fn node(left: &[u8], right: &[u8]) -> [u8; 32] {
    sha256(&[&[1], left, right].concat())
}

/// The root that a path leads to; `None` when it is not as long as the tree's size says.
pub(super) fn root(leaf: &[u8; 32], index: u64, size: u64, hashes: &[Vec<u8>]) -> Option<[u8; 32]> {
    if index >= size || hashes.len() > MAX_PATH || hashes.iter().any(|hash| hash.len() != 32) {
        return None;
    }
    let (mut position, mut last) = (index, size - 1);
    let mut found = *leaf;
    for hash in hashes {
        if last == 0 {
            return None;
        }
        if position & 1 == 1 || position == last {
            found = node(hash, &found);
            while position & 1 == 0 && position != 0 {
                position >>= 1;
                last >>= 1;
            }
        } else {
            found = node(&found, hash);
        }
        position >>= 1;
        last >>= 1;
    }
    (last == 0).then_some(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn tree(leaves: &[[u8; 32]]) -> [u8; 32] {
        match leaves {
            [] => sha256(b""),
            [one] => *one,
            many => {
                let half = many.len().next_power_of_two() / 2;
                node(&tree(&many[..half]), &tree(&many[half..]))
            }
        }
    }

    fn path(leaves: &[[u8; 32]], index: usize) -> Vec<Vec<u8>> {
        if leaves.len() < 2 {
            return Vec::new();
        }
        let half = leaves.len().next_power_of_two() / 2;
        let (left, right) = leaves.split_at(half);
        let (mut path, sibling) = if index < half {
            (path(left, index), tree(right))
        } else {
            (path(right, index - half), tree(left))
        };
        path.push(sibling.to_vec());
        path
    }

    proptest! {
        #[test]
        fn every_entry_of_every_tree_is_proved_and_no_other(size in 1_usize..70, pick: prop::sample::Index, other: prop::sample::Index) {
            let leaves: Vec<_> = (0..size).map(|i| leaf(&[u8::try_from(i).unwrap()])).collect();
            let index = pick.index(size);
            let hashes = path(&leaves, index);
            let expected = Some(tree(&leaves));
            let (at, n) = (index as u64, size as u64);
            prop_assert_eq!(root(&leaves[index], at, n, &hashes), expected);
            let other = other.index(size);
            if other != index {
                prop_assert_ne!(root(&leaves[other], at, n, &hashes), expected);
                prop_assert_ne!(root(&leaves[index], other as u64, n, &hashes), expected);
            }
            let mut longer = hashes.clone();
            longer.push(vec![0; 32]);
            prop_assert_ne!(root(&leaves[index], at, n, &longer), expected);
            if let Some((_, shorter)) = hashes.split_last() {
                prop_assert_ne!(root(&leaves[index], at, n, shorter), expected);
            }
        }
    }

    #[test]
    fn an_index_outside_of_the_tree_proves_nothing() {
        assert_eq!(root(&leaf(b""), 1, 1, &[]), None);
        assert_eq!(root(&leaf(b""), 0, 0, &[]), None);
        assert_eq!(root(&leaf(b""), u64::MAX, u64::MAX, &vec![vec![0; 32]; 65]), None);
    }
}

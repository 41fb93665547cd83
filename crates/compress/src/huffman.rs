//! Prefix codes of limited length, as brotli (RFC 7932 §3.2) and deflate (RFC 1951 §3.2.2) have
//! them: canonical, from the counts of the symbols.

/// The longest code of either format.
pub(crate) const LONGEST: usize = 15;

/// Makes codes. Its memory is used again.
#[derive(Debug, Default)]
pub(crate) struct Builder {
    /// Leaves and then inner nodes, each by rising count.
    nodes: Vec<Node>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Node {
    count: u32,
    /// The symbol of a leaf. Of an inner node, and later of a leaf too, the place of its parent.
    link: u32,
}

impl Builder {
    /// Writes how many bits each symbol gets, at most `longest`; 0 for one that does not occur. One
    /// symbol alone gets one bit. Returns how many symbols occur.
    pub(crate) fn lengths(&mut self, counts: &[u32], longest: u8, lengths: &mut [u8]) -> usize {
        lengths.fill(0);
        // Small counts are raised until no code is too long. That costs little, and ends: with equal
        // counts the tree is flat.
        let mut least = 1;
        loop {
            let leaves = self.leaves(counts, least);
            match leaves {
                0 => return 0,
                1 => {
                    lengths[self.nodes[0].link as usize] = 1;
                    return 1;
                }
                _ => {}
            }
            if self.depths(leaves, longest, lengths) {
                return leaves;
            }
            least *= 2;
        }
    }

    fn leaves(&mut self, counts: &[u32], least: u32) -> usize {
        self.nodes.clear();
        let used = (0..).zip(counts).filter(|&(_, &count)| count > 0);
        self.nodes
            .extend(used.map(|(symbol, &count)| Node { count: count.max(least), link: symbol }));
        // By symbol among equals, so that the same input always gives the same output.
        self.nodes.sort_unstable_by_key(|node| (node.count, node.link));
        self.nodes.len()
    }

    /// Joins the two rarest nodes until one is left. False if a code would be too long.
    fn depths(&mut self, leaves: usize, longest: u8, lengths: &mut [u8]) -> bool {
        let nodes = &mut self.nodes;
        let symbols_end = leaves;
        let (mut leaf, mut inner) = (0, leaves);
        // A leaf's symbol is still needed when its parent is known, so parents are apart.
        let total = 2 * leaves - 1;
        nodes.resize(2 * total, Node::default());
        for next in leaves..total {
            let mut count = 0;
            for _ in 0..2 {
                let takes_leaf = leaf < symbols_end
                    && (inner >= next || nodes[leaf].count <= nodes[inner].count);
                let taken = if takes_leaf { &mut leaf } else { &mut inner };
                count += nodes[*taken].count;
                nodes[total + *taken].link = u32::try_from(next).unwrap_or(u32::MAX);
                *taken += 1;
            }
            nodes[next].count = count;
        }
        nodes[total - 1].count = 0;
        for place in (0..total - 1).rev() {
            let parent = nodes[total + place].link as usize;
            let depth = nodes[parent].count + 1;
            if place >= leaves {
                nodes[place].count = depth;
                continue;
            }
            if depth > u32::from(longest) {
                return false;
            }
            let symbol = nodes[place].link as usize;
            lengths[symbol] = u8::try_from(depth).unwrap_or(u8::MAX);
        }
        true
    }
}

/// Writes the code of each symbol, its first bit lowest.
pub(crate) fn codes(lengths: &[u8], codes: &mut [u16]) {
    let mut next = [0_u16; LONGEST + 2];
    for &length in lengths.iter().filter(|&&length| length > 0) {
        next[usize::from(length) + 1] += 1;
    }
    // `next[n]` counts the codes of n - 1 bits so far; it becomes the first of n bits.
    let mut first = 0_u16;
    for slot in &mut next[1..] {
        first = (first + *slot) << 1;
        *slot = first;
    }
    for (code, &length) in codes.iter_mut().zip(lengths) {
        if length > 0 {
            let slot = &mut next[usize::from(length)];
            *code = slot.reverse_bits() >> (16 - length);
            *slot = slot.wrapping_add(1);
        }
    }
}

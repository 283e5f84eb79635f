//! Order among things that need each other.

/// Groups nodes into levels: each level needs only what earlier levels hold. `edges[n]` are the nodes that `n` needs.
///
/// # Errors
/// The nodes that are on a cycle, in order.
pub(super) fn levels(edges: &[Vec<usize>]) -> Result<Vec<Vec<usize>>, Vec<usize>> {
    let count = edges.len();
    let mut needed_by: Vec<Vec<usize>> = vec![Vec::new(); count];
    let mut missing: Vec<usize> = vec![0; count];
    for (node, needs) in edges.iter().enumerate() {
        let mut distinct: Vec<usize> = needs.iter().copied().filter(|need| *need < count).collect();
        distinct.sort_unstable();
        distinct.dedup();
        missing[node] = distinct.len();
        for need in distinct {
            needed_by[need].push(node);
        }
    }
    let mut level: Vec<usize> = (0..count).filter(|node| missing[*node] == 0).collect();
    let mut levels = Vec::new();
    let mut placed = 0;
    while !level.is_empty() {
        placed += level.len();
        let mut next = Vec::new();
        for node in &level {
            for dependent in &needed_by[*node] {
                missing[*dependent] -= 1;
                if missing[*dependent] == 0 {
                    next.push(*dependent);
                }
            }
        }
        next.sort_unstable();
        levels.push(std::mem::replace(&mut level, next));
    }
    if placed == count { Ok(levels) } else { Err(on_cycles(edges, &missing)) }
}

/// Of the nodes that could not be placed, those that reach themselves: the others only wait for them.
fn on_cycles(edges: &[Vec<usize>], missing: &[usize]) -> Vec<usize> {
    let reaches_itself = |start: usize| {
        let mut seen = vec![false; edges.len()];
        let mut open: Vec<usize> = edges[start].clone();
        while let Some(node) = open.pop() {
            if node == start {
                return true;
            }
            if node < edges.len() && !std::mem::replace(&mut seen[node], true) {
                open.extend(&edges[node]);
            }
        }
        false
    };
    (0..edges.len()).filter(|node| missing[*node] > 0 && reaches_itself(*node)).collect()
}

//! Detection of expressions that never match, such as `$a`, which would silently have no effect.

use regex_syntax::hir::{Hir, HirKind, Look};

/// Returns true if the ends of texts and empty classes make a match impossible. `\b` and the ends of lines are not analysed.
pub(super) fn is_impossible(hir: &Hir) -> bool {
    match hir.kind() {
        HirKind::Concat(parts) => {
            parts.iter().any(is_impossible)
                || misplaced(parts.iter(), Look::Start)
                || misplaced(parts.iter().rev(), Look::End)
        }
        HirKind::Alternation(parts) => parts.iter().all(is_impossible),
        HirKind::Capture(capture) => is_impossible(&capture.sub),
        HirKind::Repetition(repetition) => repetition.min > 0 && is_impossible(&repetition.sub),
        HirKind::Empty | HirKind::Literal(_) | HirKind::Class(_) | HirKind::Look(_) => {
            hir.properties().minimum_len().is_none()
        }
    }
}

/// Returns true if a part that matches only at an end of a text is preceded, seen from that end, by a part that is not empty.
fn misplaced<'h>(mut parts: impl Iterator<Item = &'h Hir>, end: Look) -> bool {
    parts.any(|part| part.properties().minimum_len() > Some(0)) && parts.any(|part| is_at(part, end))
}

/// Returns true if an expression matches only at an end of a text.
fn is_at(hir: &Hir, end: Look) -> bool {
    match hir.kind() {
        HirKind::Look(look) => *look == end,
        HirKind::Concat(parts) => parts.iter().any(|part| is_at(part, end)),
        HirKind::Alternation(parts) => parts.iter().all(|part| is_at(part, end)),
        HirKind::Capture(capture) => is_at(&capture.sub, end),
        HirKind::Repetition(repetition) => repetition.min > 0 && is_at(&repetition.sub, end),
        HirKind::Empty | HirKind::Literal(_) | HirKind::Class(_) => false,
    }
}

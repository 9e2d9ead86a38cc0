//! AMX: the matrix unit, 16 x 16 sums of 64 products of 8-bit integers an instruction; two by two tiles at a time.
//!
//! Tiles are no values of the language, so one `asm!` block holds a whole sum. A session configures the tiles of its
//! thread, and the last one to end gives them back. One or two probes leave most of a tile empty: they go to VNNI.

use super::tile::int_strips;
use super::vnni::{Flipping, Vnni};
use super::{Floats, Form, Ints, Isa, LANES, SIGNED};
use std::arch::asm;
use std::arch::x86_64::{__cpuid, __cpuid_count, _xgetbv};
use std::cell::Cell;
use std::sync::OnceLock;

/// AMX with 8-bit integers is present, the system keeps its state and has granted it to this process, beside what
/// [`Vnni`] proves. Only [`Amx::detect`] makes one.
#[derive(Clone, Copy)]
pub struct Amx {
    vnni: Vnni,
}

/// Bytes of a tile's row, and integers that one instruction adds to a sum.
const DEPTH: usize = 64;
/// Rows of a tile.
const TILE: usize = 16;
/// Probes below which VNNI is faster: its cost grows with them, a tile's does not.
const FEW: usize = 2;

impl Amx {
    pub fn detect() -> Option<&'static Self> {
        static FOUND: OnceLock<Option<Amx>> = OnceLock::new();
        let find = || (is_present() && is_granted()).then_some(Amx { vnni: *Vnni::detect()? });
        FOUND.get_or_init(find).as_ref()
    }

    /// Whole tiles, in a session: `n_probes` rounded up to sixteen or 32, whose rows the caller's slices hold.
    fn tiles(self, at: Ints<'_>, out: &mut [i32]) {
        let rows = at.n_probes.next_multiple_of(TILE);
        assert!(at.holds(rows, at.n_panels, out) && at.k.is_multiple_of(DEPTH) && at.k > 0);
        assert!(SESSIONS.get() > 0);
        // SAFETY: `self` proves the features and the grant, the lines above check what `tiles` lists.
        unsafe { tiles(at, rows, out) }
    }
}

/// What the processor and the system say: tiles and their integer products exist, and their state is saved.
fn is_present() -> bool {
    const TILE_BITS: u32 = 1 << 24 | 1 << 25;
    const OSXSAVE: u32 = 1 << 27;
    const STATE: u64 = 1 << 17 | 1 << 18;
    if __cpuid(0).eax < 7 || __cpuid(1).ecx & OSXSAVE == 0 || __cpuid_count(7, 0).edx & TILE_BITS != TILE_BITS {
        return false;
    }
    // SAFETY: OSXSAVE is set, so XGETBV exists and register 0 may be read.
    unsafe { _xgetbv(0) & STATE == STATE }
}

/// Asks the system for the tile registers, which Linux gives only on request (`ARCH_REQ_XCOMP_PERM`).
#[cfg(target_os = "linux")]
fn is_granted() -> bool {
    const ARCH_PRCTL: i64 = 158;
    const REQUEST: i64 = 0x1023;
    const TILE_DATA: i64 = 18;
    let answer: i64;
    // SAFETY: the call reads two numbers and writes nothing; a system call overwrites rcx and r11.
    unsafe {
        asm!("syscall", inlateout("rax") ARCH_PRCTL => answer, in("rdi") REQUEST, in("rsi") TILE_DATA,
             lateout("rcx") _, lateout("r11") _, options(nostack));
    }
    answer == 0
}

/// Other systems are not known to need a request, nor known to work.
#[cfg(not(target_os = "linux"))]
fn is_granted() -> bool {
    false
}

impl Isa for Amx {
    fn name(&self) -> &'static str {
        "amx"
    }

    fn form(&self) -> Form {
        Form { step: DEPTH, corrects: true, slices: true, ..SIGNED }
    }

    fn per_cycle(&self) -> f64 {
        1024.0
    }

    fn dots(&self, at: Ints<'_>, out: &mut [i32]) {
        if at.n_probes <= FEW && !at.corrections.is_empty() {
            int_strips::<_, 1, 8>(Flipping(self.vnni), at, out);
        } else if at.n_probes > 0 && at.n_panels > 0 {
            self.tiles(at, out);
        }
    }

    fn begin(&self) {
        if SESSIONS.replace(SESSIONS.get() + 1) == 0 {
            // SAFETY: the configuration is a valid one of palette 1, and `self` proves that the registers are granted.
            unsafe { asm!("ldtilecfg [{}]", in(reg) &CONFIGURATION, options(nostack, readonly)) };
        }
    }

    fn end(&self) {
        if SESSIONS.replace(SESSIONS.get() - 1) == 1 {
            // SAFETY: `self` proves that there are tiles; the last session of the thread has ended.
            unsafe { asm!("tilerelease", options(nostack, nomem)) };
        }
    }

    fn floats(&self) -> &dyn Floats {
        self.vnni.floats()
    }
}

/// Palette 1: eight tiles of sixteen rows of 64 bytes.
#[repr(C, align(64))]
struct Configuration([u8; 64]);

const CONFIGURATION: Configuration = {
    let mut bytes = [0; 64];
    bytes[0] = 1;
    let mut tile = 0;
    while tile < 8 {
        bytes[16 + 2 * tile] = DEPTH as u8;
        bytes[48 + tile] = TILE as u8;
        tile += 1;
    }
    Configuration(bytes)
};

thread_local! {
    /// Sessions of this thread: its tiles are configured while there is one.
    static SESSIONS: Cell<usize> = const { Cell::new(0) };
}

/// # Safety
/// - Tiles are configured as above.
/// - `rows` is a multiple of sixteen, `at.holds(rows, at.n_panels, out)`, `at.k` is a positive multiple of 64.
unsafe fn tiles(at: Ints<'_>, rows: usize, out: &mut [i32]) {
    for row in (0..rows).step_by(2 * TILE) {
        for panel in (0..at.n_panels).step_by(2) {
            // The second tile of a pair that has none is the first once more.
            let second_row = if row + TILE < rows { TILE } else { 0 };
            let second_panel = usize::from(panel + 1 < at.n_panels);
            // SAFETY: both rows of tiles and both panels lie inside the slices, `k` bytes deep (`holds`), and so
            // do their sums. No other block of this thread uses tiles meanwhile.
            unsafe {
                let probes = at.probes.as_ptr().add(row * at.stride);
                let panels = at.panels.as_ptr().add(panel * at.panel_stride);
                let sums = out.as_mut_ptr().add(row * at.width + panel * LANES);
                two_by_two(
                    [probes, probes.add(second_row * at.stride)],
                    at.stride,
                    [panels, panels.add(second_panel * at.panel_stride)],
                    at.k / DEPTH,
                    [
                        sums,
                        sums.add(second_panel * LANES),
                        sums.add(second_row * at.width),
                        sums.add(second_row * at.width + second_panel * LANES),
                    ],
                    at.width * size_of::<i32>(),
                );
            }
        }
    }
}

/// Sums of 32 probes and 32 gallery rows, `steps` times 64 products deep.
///
/// # Safety
/// - Tiles are configured as above.
/// - Each of `probes` can be read for sixteen rows of `64 * steps` bytes, `stride` apart; each of `panels` for
///   `1024 * steps` bytes; each of `sums` can be written for sixteen rows of 64 bytes, `width` bytes apart.
#[inline]
unsafe fn two_by_two(
    probes: [*const i8; 2],
    stride: usize,
    panels: [*const i8; 2],
    steps: usize,
    sums: [*mut i32; 4],
    width: usize,
) {
    // SAFETY: by the obligations; tile registers are named as overwritten.
    unsafe {
        asm!(
            "tilezero tmm0",
            "tilezero tmm1",
            "tilezero tmm2",
            "tilezero tmm3",
            "2:",
            "tileloadd tmm4, [{a0} + {stride}]",
            "tileloadd tmm6, [{b0} + {depth}]",
            "tdpbssd tmm0, tmm4, tmm6",
            "tileloadd tmm7, [{b1} + {depth}]",
            "tdpbssd tmm1, tmm4, tmm7",
            "tileloadd tmm5, [{a1} + {stride}]",
            "tdpbssd tmm2, tmm5, tmm6",
            "tdpbssd tmm3, tmm5, tmm7",
            "add {a0}, 64",
            "add {a1}, 64",
            "add {b0}, 1024",
            "add {b1}, 1024",
            "dec {steps}",
            "jnz 2b",
            "tilestored [{c0} + {width}], tmm0",
            "tilestored [{c1} + {width}], tmm1",
            "tilestored [{c2} + {width}], tmm2",
            "tilestored [{c3} + {width}], tmm3",
            a0 = inout(reg) probes[0] => _,
            a1 = inout(reg) probes[1] => _,
            b0 = inout(reg) panels[0] => _,
            b1 = inout(reg) panels[1] => _,
            steps = inout(reg) steps => _,
            c0 = in(reg) sums[0],
            c1 = in(reg) sums[1],
            c2 = in(reg) sums[2],
            c3 = in(reg) sums[3],
            stride = in(reg) stride,
            depth = in(reg) DEPTH,
            width = in(reg) width,
            out("tmm0") _, out("tmm1") _, out("tmm2") _, out("tmm3") _,
            out("tmm4") _, out("tmm5") _, out("tmm6") _, out("tmm7") _,
            options(nostack),
        );
    }
}

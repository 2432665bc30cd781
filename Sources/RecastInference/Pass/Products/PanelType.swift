internal import CKernels
import Recast

/// How weights that are multiplied as they are stored are laid out, and what activations are rounded to for them.
struct PanelType: Sendable {
    /// The blocks' type in C; nil for bfloat16.
    let blocks: ck_panel_type?
    let form: ck_panel_form
    let columns: Int
    let kernels: ProductKernels

    static let rowsOfPanel = Int(CK_PANEL_ROWS)

    // swift-format-ignore
    private static let types: [DType: ck_panel_type] = [
        .q4_0: CK_PANEL_Q4_0, .q4_1: CK_PANEL_Q4_1, .q5_0: CK_PANEL_Q5_0, .q5_1: CK_PANEL_Q5_1, .q8_0: CK_PANEL_Q8_0,
        .iq4_nl: CK_PANEL_IQ4_NL, .mxfp4: CK_PANEL_MXFP4,
        .q2_k: CK_PANEL_Q2_K, .q3_k: CK_PANEL_Q3_K, .q4_k: CK_PANEL_Q4_K, .q5_k: CK_PANEL_Q5_K, .q6_k: CK_PANEL_Q6_K,
        .iq4_xs: CK_PANEL_IQ4_XS,
    ]

    /// The type of rows of so many numbers; nil where they have no such products.
    init?(_ dtype: DType, columns: Int, _ kernels: ProductKernels = .best) {
        self.columns = columns
        self.kernels = kernels
        if dtype == .bf16 {
            guard kernels.bfloat16 != nil, columns.isMultiple(of: 2) else { return nil }
            blocks = nil
            form = ck_panel_form()
        } else {
            guard kernels.blocks != nil, let type = Self.types[dtype], columns.isMultiple(of: dtype.blockElements)
            else {
                return nil
            }
            blocks = type
            form = ck_panel_form(type)
        }
    }

    /// Blocks of a row.
    var blockCount: Int { blocks == nil ? 1 : columns / Int(form.block) }
    var rowByteCount: Int { blocks == nil ? 2 * columns : blockCount * Int(form.block_bytes) }
    var panelByteCount: Int { Self.rowsOfPanel * rowByteCount }

    /// The most tokens of a tile.
    var tileWidth: Int { blocks == nil ? kernels.bfloat16!.pointee.tile : kernels.blocks!.pointee.tile }
}

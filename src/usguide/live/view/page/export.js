// Files from what this browser holds.

const COLUMNS = {
  index: (r) => r.index,
  timestamp_s: (r) => r.timestamp_s,
  state: (r) => r.state,
  input_state: (r) => r.input_state,
  confidence: (r) => r.confidence,
  entry_x_mm: (r) => r.shaft?.entry_mm[0],
  entry_z_mm: (r) => r.shaft?.entry_mm[1],
  distal_x_mm: (r) => r.shaft?.distal_mm[0],
  distal_z_mm: (r) => r.shaft?.distal_mm[1],
  angle_deg: (r) => r.shaft?.angle_deg,
  tip_x_mm: (r) => r.tip?.position_mm[0],
  tip_z_mm: (r) => r.tip?.position_mm[1],
  tip_sigma_x_mm: (r) => r.tip?.sigma_mm[0],
  tip_sigma_z_mm: (r) => r.tip?.sigma_mm[1],
  tip_x_px: (r) => r.tip?.position_px[0],
  tip_y_px: (r) => r.tip?.position_px[1],
  tip_velocity_mm_s: (r) => r.tip?.velocity_mm_s,
  target_distance_mm: (r) => r.target?.distance_mm,
  injectate_area_mm2: (r) => r.injectate?.area_mm2,
  injectate_area_sigma_mm2: (r) => r.injectate?.area_sigma_mm2,
  injectate_extent_along_mm: (r) => r.injectate?.extent_mm?.[0],
  injectate_extent_across_mm: (r) => r.injectate?.extent_mm?.[1],
  injectate_rate_mm2_s: (r) => r.injectate?.rate_mm2_s,
  injectate_volume_mm3: (r) => r.injectate?.volume_mm3,
  injectate_onset_s: (r) => r.injectate?.onset_s,
  injectate_target_distance_mm: (r) => r.injectate?.around_target?.distance_mm,
  injectate_ring_deg: (r) => r.injectate?.around_target?.ring_deg,
  injectate_pools: (r) => r.injectate?.pools.length,
  injectate_warnings: (r) => r.injectate?.warnings.map((w) => w.split(":")[0]).join("; "),
  latency_total_ms: (r) => r.latency_ms.total,
};

// The lines as they came.
export function asJsonl(results) {
  return results.map((r) => `${r.text}\n`).join("");
}

// The columns of results.csv.
export function asCsv(results) {
  const rows = results.map((r) => Object.values(COLUMNS).map((cell) => quoted(cell(r.record) ?? "")).join(","));
  return [Object.keys(COLUMNS).join(","), ...rows, ""].join("\n");
}

// Names of outlines may hold anything.
function quoted(cell) {
  return /[",\n]/.test(cell) ? `"${String(cell).replaceAll('"', '""')}"` : cell;
}

export function save(blob, name) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}

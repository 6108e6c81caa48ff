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
  latency_total_ms: (r) => r.latency_ms.total,
};

// The lines as they came.
export function asJsonl(results) {
  return results.map((r) => `${r.text}\n`).join("");
}

// The columns of results.csv.
export function asCsv(results) {
  const rows = results.map((r) => Object.values(COLUMNS).map((cell) => cell(r.record) ?? "").join(","));
  return [Object.keys(COLUMNS).join(","), ...rows, ""].join("\n");
}

export function save(blob, name) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}

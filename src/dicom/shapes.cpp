#include <dcmtk/config/osconfig.h>
#include <dcmtk/dcmdata/dcistrmb.h>
#include <dcmtk/dcmdata/dctk.h>
#include <algorithm>
#include <span>

#include "base/error.h"
#include "dicom/writing.h"

namespace rouage::dicom {
namespace {

std::string text_of(DcmItem& item, const DcmTagKey& tag) {
  OFString value;
  item.findAndGetOFStringArray(tag, value);
  return {value.c_str(), value.size()};
}

/// Pairs of float32 (column, row).
std::vector<Point> points_of(DcmItem& item, const DcmTagKey& tag) {
  const Float32* values = nullptr;
  unsigned long count = 0;
  std::vector<Point> points;
  if (item.findAndGetFloat32Array(tag, values, &count).bad()) return points;
  for (unsigned long i = 0; i + 1 < count; i += 2) points.push_back({double{values[i]}, double{values[i + 1]}});
  return points;
}

template <typename Visit>
void each_item(DcmItem& parent, const DcmTagKey& tag, const Visit& visit) {
  DcmSequenceOfItems* sequence = nullptr;
  if (parent.findAndGetSequence(tag, sequence).bad() || sequence == nullptr) return;
  for (unsigned long i = 0; i < sequence->card(); ++i) visit(*sequence->getItem(i));
}

void collect_scoords(DcmItem& item, std::vector<GraphicShape>& shapes) {
  if (text_of(item, DCM_ValueType) == "SCOORD")
    shapes.push_back({points_of(item, DCM_GraphicData), text_of(item, DCM_GraphicType)});
  each_item(item, DCM_ContentSequence, [&](DcmItem& child) { collect_scoords(child, shapes); });
}

void collect_graphics(DcmItem& dataset, std::vector<GraphicShape>& shapes) {
  each_item(dataset, DCM_GraphicAnnotationSequence, [&](DcmItem& annotation) {
    each_item(annotation, DCM_GraphicObjectSequence, [&](DcmItem& graphic) {
      shapes.push_back({points_of(graphic, DCM_GraphicData), text_of(graphic, DCM_GraphicType)});
    });
  });
}

/// Bounding box of one bit-packed frame (PS3.5 8.1.1: bits fill bytes from the lowest, frames follow without a gap).
GraphicShape box_of_frame(const Uint8* bits, std::uint64_t first_bit, std::uint32_t columns, std::uint32_t rows) {
  double x0 = columns, y0 = rows, x1 = 0, y1 = 0;
  for (std::uint32_t row = 0; row < rows; ++row)
    for (std::uint32_t column = 0; column < columns; ++column) {
      const std::uint64_t bit = first_bit + std::uint64_t{row} * columns + column;
      if ((bits[bit / 8] >> (bit % 8) & 1) == 0) continue;
      x0 = std::min(x0, static_cast<double>(column));
      y0 = std::min(y0, static_cast<double>(row));
      x1 = std::max(x1, column + 1.0);
      y1 = std::max(y1, row + 1.0);
    }
  return {{{x0, y0}, {x1, y0}, {x1, y1}, {x0, y1}}, ""};
}

void collect_segments(DcmItem& dataset, std::vector<GraphicShape>& shapes) {
  Uint16 columns = 0, rows = 0;
  const Uint8* bits = nullptr;
  unsigned long bytes = 0;
  dataset.findAndGetUint16(DCM_Columns, columns);
  dataset.findAndGetUint16(DCM_Rows, rows);
  if (dataset.findAndGetUint8Array(DCM_PixelData, bits, &bytes).bad() || bits == nullptr) return;
  std::uint64_t frame = 0;
  each_item(dataset, DCM_SegmentSequence, [&](DcmItem& segment) {
    const std::uint64_t first = frame++ * columns * rows;
    if ((first + std::uint64_t{columns} * rows + 7) / 8 > bytes)
      throw Error(ErrorCode::PixelDataTruncated, "fewer bits than segments").tag("(7FE0,0010) PixelData");
    GraphicShape shape = box_of_frame(bits, first, columns, rows);
    shape.text = text_of(segment, DCM_SegmentLabel);
    shapes.push_back(std::move(shape));
  });
}

}  // namespace

std::vector<GraphicShape> read_shapes(std::span<const std::uint8_t> object) {
  DcmInputBufferStream stream;
  stream.setBuffer(object.data(), static_cast<offile_off_t>(object.size()));
  stream.setEos();
  DcmFileFormat file;
  file.transferInit();
  const OFCondition read = file.read(stream);
  file.transferEnd();
  if (read.bad()) throw Error(ErrorCode::NotDicom, read.text());
  DcmDataset& dataset = *file.getDataset();
  std::vector<GraphicShape> shapes;
  if (text_of(dataset, DCM_Modality) == "SEG")
    collect_segments(dataset, shapes);
  else if (text_of(dataset, DCM_Modality) == "PR")
    collect_graphics(dataset, shapes);
  else
    collect_scoords(dataset, shapes);
  return shapes;
}

}  // namespace rouage::dicom

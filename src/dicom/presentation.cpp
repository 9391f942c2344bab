/// Grayscale Softcopy Presentation State (PS3.3 A.33.1) over one image: outlines and texts on one layer.
#include "base/error.h"
#include "dicom/writing_frame.h"

namespace rouage::dicom {
namespace {

/// sRGB (255, 200, 0), the amber of our pictures, as CIELab scaled to 16 bits (PS3.3 C.10.7.1.1).
const std::vector<std::uint16_t> kAmber = {54536, 34370, 54622};

/// A presentation state replaces the image's own grey transformations (PS3.4 N.2): without this copy a windowed film
/// would be shown over its whole range of values.
void add_grey_pipeline(Item& item, const PresentationObject& object) {
  const GreyPipeline& grey = object.frame.source.grey;
  if (grey.rescale_slope && grey.rescale_intercept) {
    item.text(DCM_RescaleIntercept, "DS", decimal_string(*grey.rescale_intercept));
    item.text(DCM_RescaleSlope, "DS", decimal_string(*grey.rescale_slope));
    item.text(DCM_RescaleType, "LO", grey.rescale_type.empty() ? "US" : grey.rescale_type);
  }
  if (grey.window_center && grey.window_width && *grey.window_width > 0) {
    Item& window = item.add_item(DCM_SoftcopyVOILUTSequence);
    window.text(DCM_WindowCenter, "DS", decimal_string(*grey.window_center));
    window.text(DCM_WindowWidth, "DS", decimal_string(*grey.window_width));
    const std::string function = clean_code_string(grey.voi_function);
    if (!function.empty()) window.code_string(DCM_VOILUTFunction, function);
  }
  item.code_string(DCM_PresentationLUTShape, object.inverse ? "INVERSE" : "IDENTITY");
}

void add_displayed_area(Item& item, const PresentationObject& object) {
  Item& area = item.add_item(DCM_DisplayedAreaSelectionSequence);
  add_source(area, DCM_ReferencedImageSequence, object.frame);
  area.signed_longs(DCM_DisplayedAreaTopLeftHandCorner, {1, 1});
  area.signed_longs(DCM_DisplayedAreaBottomRightHandCorner,
                    {static_cast<std::int32_t>(object.columns), static_cast<std::int32_t>(object.rows)});
  area.code_string(DCM_PresentationSizeMode, "SCALE TO FIT");
  area.text(DCM_PresentationPixelAspectRatio, "IS", "1\\1");
}

std::vector<float> closed_polyline(const std::vector<Point>& points) {
  std::vector<float> values;
  for (const Point& point : points) {
    values.push_back(static_cast<float>(point.x));
    values.push_back(static_cast<float>(point.y));
  }
  const bool closed = values[0] == values[values.size() - 2] && values[1] == values.back();
  if (!closed) values.insert(values.end(), {values[0], values[1]});
  return values;
}

void add_shape(Item& annotation, const GraphicShape& shape, const Texts& texts) {
  if (shape.points.size() < 2)
    throw Error(ErrorCode::WriteInvalid, "an outline needs two points at least").tag("(0070,0022) GraphicData");
  const std::vector<float> outline = closed_polyline(shape.points);
  Item& graphic = annotation.add_item(DCM_GraphicObjectSequence);
  graphic.code_string(DCM_GraphicAnnotationUnits, "PIXEL");
  graphic.unsigned_shorts(DCM_GraphicDimensions, {2});
  graphic.unsigned_shorts(DCM_NumberOfGraphicPoints, {static_cast<std::uint16_t>(outline.size() / 2)});
  graphic.floats(DCM_GraphicData, outline);
  graphic.code_string(DCM_GraphicType, "POLYLINE");
  graphic.code_string(DCM_GraphicFilled, "N");
  if (shape.text.empty()) return;
  Item& text = annotation.add_item(DCM_TextObjectSequence);
  text.text(DCM_UnformattedTextValue, "ST", texts.st(shape.text));
  text.code_string(DCM_AnchorPointAnnotationUnits, "PIXEL");
  text.floats(DCM_AnchorPoint, {outline[0], outline[1]});
  text.code_string(DCM_AnchorPointVisibility, "N");
}

}  // namespace

Bytes write_presentation_state(const PresentationObject& object) {
  if (object.columns == 0 || object.rows == 0)
    throw Error(ErrorCode::WriteInvalid, "the matrix is empty").tag("(0028,0010) Rows");
  Item item = framed_item(object.frame, kGreyPresentationState, "PR");
  const Texts texts(object.frame.source.character_set);
  add_content_time(item, object.frame, DCM_PresentationCreationDate, DCM_PresentationCreationTime, true);
  add_body_part(item, object.frame.source.body_part, object.frame.source.image_laterality);
  item.code_string(DCM_ContentLabel, object.content_label);
  item.text(DCM_ContentDescription, "LO", texts.lo(object.content_description));
  item.text(DCM_ContentCreatorName, "PN", "");
  Item& series = item.add_item(DCM_ReferencedSeriesSequence);
  series.uid(DCM_SeriesInstanceUID, object.frame.source.series_instance_uid);
  add_source(series, DCM_ReferencedImageSequence, object.frame);
  add_displayed_area(item, object);
  add_grey_pipeline(item, object);
  if (!object.shapes.empty()) {
    Item& layer = item.add_item(DCM_GraphicLayerSequence);
    layer.code_string(DCM_GraphicLayer, object.layer_name);
    layer.integer_string(DCM_GraphicLayerOrder, 1);
    layer.unsigned_shorts(DCM_GraphicLayerRecommendedDisplayCIELabValue, kAmber);
    Item& annotation = item.add_item(DCM_GraphicAnnotationSequence);
    add_source(annotation, DCM_ReferencedImageSequence, object.frame);
    annotation.code_string(DCM_GraphicLayer, object.layer_name);
    for (const GraphicShape& shape : object.shapes) add_shape(annotation, shape, texts);
  }
  return file_bytes(item, std::string(kGreyPresentationState), object.frame.sop_instance_uid);
}

}  // namespace rouage::dicom

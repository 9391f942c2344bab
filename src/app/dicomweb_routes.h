/// DICOMweb (PS3.18 chapter 10): STOW-RS, QIDO-RS, WADO-RS over the store. docs/formats/dicomweb.md says what is
/// served.
///
///   add_dicomweb_routes(routes, {.store = store, .headers = headers, .objects = objects, .policy = ...});
///
/// Every object and every answer is asked for with exit "dicomweb" and the configured policy, so that a result that may
/// not leave is neither found nor counted. What lies in `context` must outlive the routes.
#pragma once
#include <cstdint>
#include <string>

#include "app/dicomweb_reader.h"
#include "app/http.h"
#include "receive/header_reader.h"
#include "store/store.h"

namespace rouage::app {

struct DicomWebContext {
  store::Store& store;
  receive::InstanceSink& sink;  ///< where STOW-RS hands objects to: the store, or what stands before it
  receive::HeaderReader& headers;
  ObjectReader& objects;
  store::Policy policy = store::Policy::after_first_read;
  std::string prefix = "/dicomweb";
  std::string public_url;  ///< "https://gateway.hospital"; empty: as the client called us
  std::uint64_t max_object_bytes = 8ULL * 1024 * 1024 * 1024;
  std::size_t most_matches = 1000;  ///< of one query; more are announced by a Warning
};

void add_dicomweb_routes(Routes& routes, const DicomWebContext& context);

/// The parts of it, one file each.
void add_stow_routes(Routes& routes, const DicomWebContext& context);
void add_qido_routes(Routes& routes, const DicomWebContext& context);
void add_wado_routes(Routes& routes, const DicomWebContext& context);
void add_rendered_routes(Routes& routes, const DicomWebContext& context);

}  // namespace rouage::app

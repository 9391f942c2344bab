/// Work items as Unified Procedure Steps (UPS-RS, DICOM PS3.18 chapter 11; state machine PS3.4 CC.1.1; IHE AIW-I):
/// others see them, ask for work, take work over and call it off. Plain values: app/ups_routes.cpp speaks HTTP.
///
///   Ups ups(items, {.cogs = cog_facts(), .series = ..., .permit = &permit, .policy = Policy::after_first_read});
///   UpsAnswer answer = ups.create(uid, dataset, "AE or address");      // 201; the item runs like any other
///   ups.retrieve(uid);  ups.search({{"ProcedureStepState", "SCHEDULED"}});
///
/// States: due, waiting -> SCHEDULED; running -> IN PROGRESS; done -> COMPLETED; the others -> CANCELED (a person may
/// make such an item due again: the one departure from the standard, where CANCELED is final). An item that Rouage runs
/// itself has a Transaction UID that nobody else knows. Events (subscriptions) are not offered.
/// Errors of all: RequestInvalid (400), NotFound (404), StateConflict (409). Thread-safe.
#pragma once
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "route/route.h"
#include "store/store.h"

namespace rouage::route {

/// What the worklist needs of the rest of the gateway.
struct UpsSources {
  std::vector<CogFacts> cogs;
  std::function<std::vector<store::Store::SeriesState>(const std::string& study_instance_uid)> series;
  /// Patient, study and accession attributes of a series that is here.
  std::function<dicom::Attributes(const std::string& study_instance_uid, const std::string& series_instance_uid)>
      attributes;
  const store::ReleasePermit* permit = nullptr;  ///< exit "ups": may the output references be seen
  store::Policy policy = store::Policy::after_first_read;
  std::string ae_title;  ///< named as the performing station
};

struct UpsAnswer {
  int status = 200;
  std::string body;                                          ///< DICOM JSON, "" when none
  std::vector<std::pair<std::string, std::string>> headers;  ///< Warning
};

class Ups {
 public:
  Ups(Items& items, UpsSources sources);

  /// PS3.18 11.4. uid "": the dataset's, or a new one. The answer's Location header is the UID alone.
  /// One series of one study a work item; the cog by Scheduled Workitem Code Sequence (code value) or Procedure Step
  /// Label; options by Scheduled Processing Parameters Sequence.
  UpsAnswer create(const std::string& uid, std::string_view dataset, const std::string& sender);
  UpsAnswer retrieve(const std::string& uid) const;                                                        ///< 11.5
  UpsAnswer update(const std::string& uid, const std::string& transaction_uid, std::string_view dataset);  ///< 11.6
  UpsAnswer change_state(const std::string& uid, std::string_view dataset);                                ///< 11.7
  UpsAnswer request_cancel(const std::string& uid, std::string_view dataset);                              ///< 11.8
  /// 11.9: any attribute of the UPS by keyword, tag or path of sequences, wild cards and ranges of date and time;
  /// limit, offset. Of the newest kSearched items.
  UpsAnswer search(const std::vector<std::pair<std::string, std::string>>& parameters) const;

  static constexpr std::size_t kSearched = 5000, kLargestDataset = 256 * 1024;

 private:
  Item find(const std::string& uid) const;
  Items& items_;
  UpsSources sources_;
};

}  // namespace rouage::route

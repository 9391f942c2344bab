/// What systemd wants to hear of a service of Type=notify (sd_notify(3)), without its library.
///
///   notify_systemd("READY=1");  ...  notify_systemd("WATCHDOG=1");  ...  notify_systemd("STOPPING=1");
#pragma once
#include <optional>
#include <string_view>

namespace rouage::app {

/// Sends the state to $NOTIFY_SOCKET. False when there is none or it does not listen: never an error.
bool notify_systemd(std::string_view state);

/// How often WATCHDOG=1 is to be sent: half of WatchdogSec. Absent: nobody watches this process.
std::optional<double> watchdog_period_s();

}  // namespace rouage::app

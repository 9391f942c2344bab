#include "receive/folder_events.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>

#include "base/service.h"

namespace rouage::receive {

FolderEvents::FolderEvents(std::filesystem::path folder)
    : folder_(std::move(folder)),
      inotify_(::inotify_init1(IN_NONBLOCK | IN_CLOEXEC)),
      wake_(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) {
  working_ = static_cast<bool>(inotify_);
}

bool FolderEvents::watch(const std::string& folder) {
  if (!working_) return false;
  if (descriptors_.count(folder) != 0) return true;
  const std::filesystem::path path = folder.empty() ? folder_ : folder_ / folder;
  constexpr std::uint32_t kEvents =
      IN_CLOSE_WRITE | IN_MOVED_TO | IN_CREATE | IN_DELETE_SELF | IN_MOVE_SELF | IN_ONLYDIR | IN_DONT_FOLLOW;
  const int descriptor = ::inotify_add_watch(inotify_.get(), path.c_str(), kEvents);
  if (descriptor < 0) {
    if (errno == ENOENT || errno == ENOTDIR) return true;  // gone again
    working_ = false;
    log_event(LogLevel::warning, "receive", "folder events are off; new files are seen by walking only",
              {{"folder", folder_.string()}, {"why", std::strerror(errno)}});
    return false;
  }
  if (const auto old = watched_.find(descriptor); old != watched_.end()) descriptors_.erase(old->second);
  watched_[descriptor] = folder;
  descriptors_[folder] = descriptor;
  return true;
}

void FolderEvents::read_events(News& news) {
  alignas(inotify_event) std::array<char, 65536> buffer;
  while (true) {
    const ssize_t n = ::read(inotify_.get(), buffer.data(), buffer.size());
    if (n <= 0) return;
    for (std::size_t at = 0; at + sizeof(inotify_event) <= static_cast<std::size_t>(n);) {
      inotify_event event{};
      std::memcpy(&event, buffer.data() + at, sizeof event);
      const char* name = event.len > 0 ? buffer.data() + at + sizeof event : "";
      at += sizeof event + event.len;
      if ((event.mask & IN_Q_OVERFLOW) != 0) news.look_everywhere = true;
      const auto folder = watched_.find(event.wd);
      if (folder == watched_.end()) continue;
      const std::string path = folder->second.empty() ? name : folder->second + "/" + name;
      if ((event.mask & (IN_IGNORED | IN_MOVE_SELF)) != 0) {
        if ((event.mask & IN_MOVE_SELF) != 0) ::inotify_rm_watch(inotify_.get(), event.wd);
        descriptors_.erase(folder->second);
        watched_.erase(folder);
      } else if ((event.mask & IN_ISDIR) != 0) {
        news.look_everywhere = true;  // files may have been put into it before it was watched
      } else if ((event.mask & (IN_CLOSE_WRITE | IN_MOVED_TO)) != 0 && *name != '\0' && takeable_name(name)) {
        news.closed.push_back(path);
      }
    }
  }
}

FolderEvents::News FolderEvents::wait(double most_s) {
  News news;
  std::array<pollfd, 2> polled = {pollfd{wake_.get(), POLLIN, 0}, pollfd{inotify_.get(), POLLIN, 0}};
  ::poll(polled.data(), inotify_ ? 2 : 1, static_cast<int>(most_s * 1000));
  std::uint64_t drain = 0;
  if (polled[0].revents != 0 && ::read(wake_.get(), &drain, sizeof drain) < 0) drain = 0;
  if (inotify_) read_events(news);
  return news;
}

void FolderEvents::wake() const {
  const std::uint64_t one = 1;
  [[maybe_unused]] const ssize_t n = ::write(wake_.get(), &one, sizeof one);
}

}  // namespace rouage::receive

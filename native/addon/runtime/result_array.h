// Memory that workers fill with results. It is not cleared: for large results that would keep the JavaScript
// thread busy, and touch memory of jobs that wait.
#pragma once

#include <cstddef>
#include <memory>

namespace prompt_attention {

template <class Element>
class ResultArray {
 public:
  // Throws std::bad_alloc.
  explicit ResultArray(size_t size) : data_(std::make_unique_for_overwrite<Element[]>(size)), size_(size) {}
  size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }
  Element* data() { return data_.get(); }
  const Element* data() const { return data_.get(); }
  Element& operator[](size_t i) { return data_[i]; }

 private:
  std::unique_ptr<Element[]> data_;
  size_t size_;
};

}  // namespace prompt_attention

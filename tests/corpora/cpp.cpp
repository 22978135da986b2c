// Shapes and how they are drawn.
#include <memory>
#include "shape.hpp"

namespace draw {
namespace detail {
constexpr int kMax = 8;
}

template <typename T>
class Canvas : public Surface, private detail::Base<T> {
public:
    explicit Canvas(int width);
    ~Canvas() override;
    /// Draws one shape.
    void draw(const Shape &s) const;
    T &operator[](size_t i) { return items_[i]; }
    int width() const noexcept { return width_; }
    static Canvas *create(std::unique_ptr<Sink> sink);

private:
    int width_ = 0;
    std::vector<T> items_;
    enum class Mode { kFast, kSlow };
};

struct Point final {
    double x, y;
    bool operator==(const Point &o) const;
};

using PointList = std::vector<Point>;
typedef void (*Callback)(Point *);

template <class T>
concept Drawable = requires(T t) { t.draw(); };

template <typename T>
void Canvas<T>::draw(const Shape &s) const
{
    s.paint(*this);
    helper<T>(s);
}

bool Point::operator==(const Point &o) const { return x == o.x && y == o.y; }

// Adds two points.
Point operator+(Point a, Point b) { return Point{a.x + b.x, a.y + b.y}; }

Point &shift(Point &p) { p.x++; return p; }

template <typename T>
T largest(std::initializer_list<T> values)
{
    auto best = std::max_element(values.begin(), values.end());
    auto f = [](int a) { return a; };
    return *best;
}

} // namespace draw

TEST(CanvasTest, DrawsNothing)
{
    draw::Canvas<int> c(3);
    EXPECT_EQ(c.width(), 3);
}

extern "C" int draw_version(void) { return 1; }

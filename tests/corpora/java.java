/*
 * Licensed under the Apache License, Version 2.0 (the "License").
 */
package org.example.cache;

import java.util.Map;
import static java.util.Objects.requireNonNull;
import org.junit.jupiter.api.*;

/**
 * A cache that forgets what was not used for long.
 *
 * @param <K> keys
 */
@ThreadSafe
public final class LruCache<K, V> extends AbstractCache<K, V> implements Cache<K>, Closeable {
  private static final int LIMIT = 100;
  private final Map<K, Node> nodes, older;

  /** Makes an empty cache. */
  public LruCache(int limit) {
    super(limit);
    this.nodes = new HashMap<>();
  }

  /**
   * Looks a key up.
   */
  @Override
  @Nullable
  public V get(K key) throws CacheException {
    Node node = nodes.get(requireNonNull(key));
    Runnable r = () -> touch(node);
    Comparator<Node> byAge = Node::age;
    return node == null ? null : node.value;
  }

  protected abstract void evict();

  private static class Node {
    Object value;
  }

  enum Policy {
    /** Oldest first. */
    LRU,
    LFU { int weight() { return 2; } };

    int weight() { return 1; }
  }

  record Entry(Object key, Object value) implements Comparable<Entry> {
    Entry {
      requireNonNull(key);
    }
  }

  interface Listener extends EventListener {
    int VERSION = 1;

    void evicted(Entry e);

    default void cleared() {}
  }

  @interface ThreadSafe {
    String value() default "";
  }

  @Test
  void findsNothing() {
    assertNull(new LruCache<String, String>(1).get("a"));
  }

  public void testOldStyle() {}
}

<?php

/*
 * This file is part of the Example package.
 * For the full copyright and license information, see LICENSE.
 */

declare(strict_types=1);

namespace Example\Log;

use Psr\Log\LoggerInterface;
use Example\Handler\{FileHandler, NullHandler};
use function Example\now;

require_once 'bootstrap.php';

const LEVEL = 3;

/**
 * Writes messages to handlers.
 */
#[Service]
final class Logger extends AbstractLogger implements LoggerInterface, Countable
{
    use ContextTrait;

    public const DEBUG = 100, INFO = 200;
    private array $handlers = [];
    protected static ?string $name;

    public function __construct(private readonly Clock $clock, string $channel = 'app')
    {
        parent::__construct($channel);
    }

    /** Adds a handler. */
    public function push(HandlerInterface $handler): static
    {
        array_unshift($this->handlers, $handler);
        $f = function ($x) use ($handler) { return $x; };
        return $this;
    }

    abstract protected function flush(): void;

    public static function create(): self
    {
        return new static(new SystemClock());
    }
}

interface Formatter extends Named { public function format(array $record): string; }

trait ContextTrait
{
    public function context(): array { return Helper::merge([]); }
}

enum Level: int
{
    case Debug = 100;
    case Error = 400;

    public function name(): string { return $this?->label(); }
}

function logger(string $name): Logger
{
    return Registry::get($name);
}

class LoggerTest extends TestCase
{
    public function testPush(): void { $this->assertCount(1, []); }

    #[Test]
    public function creates(): void {}
}

# A plug that counts requests.
defmodule Counter.Plug do
  @moduledoc """
  Counts requests by path.
  """

  @behaviour Plug
  use GenServer, restart: :transient
  alias Counter.{Store, Path}
  import Plug.Conn
  require Logger

  @type count :: non_neg_integer()
  @callback handle(conn :: Plug.Conn.t()) :: count()
  @limit 100

  defstruct [:store, count: 0]

  @doc """
  Starts the counter.
  """
  @spec start_link(keyword()) :: GenServer.on_start()
  def start_link(opts \\ []) do
    GenServer.start_link(__MODULE__, opts)
  end

  @impl true
  def init(opts), do: {:ok, build(opts)}

  def call(%{path: path} = conn, _opts) when is_binary(path) do
    Store.increment(path)
    send_resp(conn, 200, "ok")
  end

  def call(conn, _opts) do
    conn
  end

  defp build(opts), do: struct(__MODULE__, opts)

  defmacro count(path) do
    quote do: Store.increment(unquote(path))
  end

  defguard is_path(p) when is_binary(p)
  defdelegate reset(), to: Store
end

defprotocol Countable do
  def count(data)
end

defimpl Countable, for: Map do
  def count(map), do: map_size(map)
end

defmodule CounterTest do
  use ExUnit.Case

  describe "call/2" do
    test "counts", %{conn: conn} do
      assert Counter.Plug.call(conn, [])
    end
  end
end

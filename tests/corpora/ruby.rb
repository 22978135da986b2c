# frozen_string_literal: true

# Builds responses piece by piece.
require "set"
require_relative "body"

module Web
  VERSION = "1.2"

  # A response.
  #
  #   Response.new(200)
  class Response < Base::Message
    include Helpers
    extend Enumerable

    HEADERS = %w[a b].freeze
    attr_accessor :status, :body
    attr_reader :headers
    autoload :Cookie, "web/cookie"

    class Error < StandardError; end

    def initialize(status, body = [])
      @status = status
      @body = Body.new(body)
    end

    # Writes a piece.
    def write(chunk)
      local = chunk.to_s
      body.append(local)
      Set.new([1])
    end

    def ok? = status < 400

    def [](name)
      headers[name]
    end

    def status=(value)
      @status = Integer(value)
    end

    class << self
      def build(*args, &block)
        new(*args).tap(&block)
      end
    end

    def self.parse(text)
      JSON.parse(text)
    end

    define_method(:reset) { @body = nil }

    private

    def secret; end
  end

  module_function

  def escape(s) = CGI.escape(s)
end

class Web::Router; end

RSpec.describe Web::Response do
  describe "#write" do
    it "appends" do
      expect(1).to eq(1)
    end
  end
end

class ResponseTest < Minitest::Test
  def test_ok
    assert Web::Response.new(200).ok?
  end
end

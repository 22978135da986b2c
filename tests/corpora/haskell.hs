{-# LANGUAGE OverloadedStrings #-}
-- |
-- Module      : Layout
-- License     : BSD3
--
-- Arranges windows in rows.
module Layout
  ( Layout (..)
  , arrange
  ) where

import qualified Data.Map as M
import Data.Maybe (fromMaybe)

-- | A rectangle of the screen.
data Rect = Rect
  { rectX :: !Int
  , rectY :: !Int
  } deriving (Eq, Show)

data Side = L | R

newtype Stack a = Stack { unStack :: [a] }

type Windows = Stack Window

-- | What arranges windows.
class Show l => Layout l where
  -- | Places them.
  arrange :: l -> Rect -> [Window] -> [(Window, Rect)]
  describe :: l -> String
  describe = show

instance Layout Full where
  arrange _ r ws = map (\w -> (w, r)) ws

instance Functor Stack where
  fmap f (Stack xs) = Stack (map f xs)

-- | Splits a rectangle.
split :: Int -> Rect -> [Rect]
split 0 _ = []
split n r
  | n < 0 = error "negative"
  | otherwise = go n
  where
    go k = divide k r

defaultGap :: Int
defaultGap = 4

infixr 5 +++
(+++) :: [a] -> [a] -> [a]
xs +++ ys = foldr (:) ys xs

main :: IO ()
main = hspec $ do
  describe "split" $ do
    it "gives nothing" $
      split 0 undefined `shouldBe` []
